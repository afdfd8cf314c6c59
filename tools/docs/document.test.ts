import { expect, test } from 'vitest';
import { fill, staleParts } from './document.ts';

const document = `# Title

<!-- generated: one -->

old

<!-- end -->

By hand.

<!-- generated: two -->

kept

<!-- end -->
`;

test('names the parts that are out of step, and only those', () => {
  expect(staleParts(document, { one: 'new', two: 'kept' })).toEqual(['one']);
  expect(staleParts(document, { one: 'old', two: 'kept' })).toEqual([]);
});

test('writes the parts and leaves the rest as it is', () => {
  const filled = fill(document, { one: 'costs $& and $1', two: 'kept' });
  expect(filled).toBe(document.replace('old', () => 'costs $& and $1'));
  expect(fill(filled, { one: 'costs $& and $1', two: 'kept' })).toBe(filled);
});

test('a part without a place, and a place without a part, are errors that say what to do', () => {
  expect(() => fill(document, { one: '', two: '', three: '' })).toThrow(
    expect.objectContaining({ message: expect.stringContaining('three'), fix: expect.any(String) }),
  );
  expect(() => fill(document, { one: '' })).toThrow(
    expect.objectContaining({ message: expect.stringContaining('two'), fix: expect.any(String) }),
  );
});
