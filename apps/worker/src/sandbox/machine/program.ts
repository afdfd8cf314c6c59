import { readFileSync } from 'node:fs';

const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');

/**
 * The command that makes one call on a remote machine: Node with program.mjs, the modules it imports in the text
 * itself. The request goes to its stdin.
 */
export const programCommand: string[] = [
  'node',
  '--input-type=module',
  '--eval',
  read('./program.mjs').replace(
    /from '(\.\/[\w-]+\.mjs)'/g,
    (_, name: string) => `from 'data:text/javascript;base64,${Buffer.from(read(name)).toString('base64')}'`,
  ),
];
