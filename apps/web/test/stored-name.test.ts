import { objectName } from '@mobvibe/worker';
import { expect, test } from 'vitest';
import { storedName } from '../client/events/stored-name.ts';

test.each(['App.tsx', 'app/[id].tsx', 'docs/über uns.md', 'a%b/~c/(d).ts', 'emoji 🎈.txt'])(
  'looks for %s where the worker puts it',
  (path) => {
    expect(storedName(path)).toBe(objectName(path));
  },
);
