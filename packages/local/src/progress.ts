import type { say, step } from '@mobvibe/cli';

/** Where long work reports to: the terminal in a command, nowhere in a test. */
export interface Progress {
  step: typeof step;
  say: typeof say;
}

export const silent: Progress = {
  step: (_label, task) => task({ update: () => {} }),
  say: () => {},
};
