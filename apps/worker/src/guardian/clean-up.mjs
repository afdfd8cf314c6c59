// Run by the guardian's shell after its worker was killed: node clean-up.mjs <the worker's directory>.
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { endProcesses } from '../sandbox/machine/processes.mjs';

const directory = /** @type {string} */ (process.argv[2]);
for (const name of await readdir(directory)) {
  if (name.endsWith('.mark')) await endProcesses(await readFile(join(directory, name), 'utf8'));
}
await rm(directory, { recursive: true, force: true, maxRetries: 3 });
