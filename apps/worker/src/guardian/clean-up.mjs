// Run by the guardian's shell after its worker was killed: node clean-up.mjs <the worker's directory>.
import { readdir, rm } from 'node:fs/promises';
import { endProcesses } from '../sandbox/machine/processes.mjs';

const directory = /** @type {string} */ (process.argv[2]);
for (const name of await readdir(directory)) {
  if (name.startsWith('MOBVIBE_SANDBOX=')) await endProcesses(name);
}
await rm(directory, { recursive: true, force: true, maxRetries: 3 });
