import { createRequire } from 'node:module';
import type { Target } from '@mobvibe/cli';
import { execa, type Options } from 'execa';
import { projectFolder } from './project.ts';

const executable = createRequire(import.meta.url).resolve('prisma/build/index.js');

/** Starts the stock Prisma CLI on a database, without colours and without calls home. */
export function prisma(args: string[], to: Target, options: Options = {}) {
  return execa(process.execPath, [executable, ...args], {
    cwd: projectFolder,
    reject: false,
    stdin: 'ignore',
    ...options,
    env: {
      ...options.env,
      DATABASE_URL: to.url,
      DIRECT_URL: to.url,
      CHECKPOINT_DISABLE: '1',
      PRISMA_HIDE_UPDATE_MESSAGE: '1',
      NO_COLOR: '1',
      FORCE_COLOR: undefined,
    },
  });
}
