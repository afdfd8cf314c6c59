import { join } from 'node:path';
import { repositoryRoot } from '@mobvibe/cli';

const runner = join(repositoryRoot, 'tools/run.mjs');

/**
 * Node's arguments that start a TypeScript file of this repository in a process of its own.
 * @param path absolute, or relative to the process's working directory
 */
export const program = (path: string): string[] => [runner, path];
