import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, program, repositoryRoot, runCommand, say } from '@mobvibe/cli';
import { fill, staleParts } from './document.ts';
import { generateParts } from './parts.ts';

const docs = program('docs:write', 'Brings the generated parts of the documents in step with the schema.')
  .option('--check', 'change nothing; fail when a part is out of step')
  .action(async ({ check }: { check?: true }) => {
    const documents = await generateParts();
    for (const [name, parts] of Object.entries(documents)) {
      const path = join(repositoryRoot, name);
      const document = readFileSync(path, 'utf8');
      const stale = staleParts(document, parts, name);
      if (check && stale.length > 0) {
        throw new CommandError(
          `${name} is out of step with the schema: ${stale.join(', ')}`,
          'pnpm docs:write',
        );
      }
      if (stale.length > 0) writeFileSync(path, fill(document, parts, name));
      say(stale.length > 0 ? `${name}: written anew: ${stale.join(', ')}` : `${name} is in step`);
    }
  });

await runCommand(docs);
