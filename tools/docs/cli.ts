import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError, program, repositoryRoot, runCommand, say } from '@mobvibe/cli';
import { fill, staleParts } from './document.ts';
import { generateParts } from './parts.ts';

const path = join(repositoryRoot, 'DATABASE.md');

const docs = program('docs:write', 'Brings the generated parts of DATABASE.md in step with the schema.')
  .option('--check', 'change nothing; fail when a part is out of step')
  .action(async ({ check }: { check?: true }) => {
    const document = readFileSync(path, 'utf8');
    const parts = await generateParts();
    const stale = staleParts(document, parts);
    if (check && stale.length > 0) {
      throw new CommandError(
        `DATABASE.md is out of step with the schema: ${stale.join(', ')}`,
        'pnpm docs:write',
      );
    }
    if (stale.length === 0) return say('DATABASE.md is in step with the schema');
    writeFileSync(path, fill(document, parts));
    say(`DATABASE.md: written anew: ${stale.join(', ')}`);
  });

await runCommand(docs);
