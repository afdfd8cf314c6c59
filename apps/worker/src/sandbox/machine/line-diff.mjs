// Runs on a remote machine, as part of the program in program.mjs: Node's own modules only.

const MOST_CELLS = 4_000_000;

/**
 * How many lines a change adds and removes: what a shortest line diff would show. Where both texts are so long and
 * so different that this would take seconds, all lines between the first and the last change count.
 * @param {string} before
 * @param {string} after
 */
export function countLineChanges(before, after) {
  const [old, now] = [lines(before), lines(after)];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  while (
    end < old.length - start &&
    end < now.length - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  ) {
    end++;
  }
  const [removed, added] = [old.slice(start, old.length - end), now.slice(start, now.length - end)];
  const kept = removed.length * added.length > MOST_CELLS ? 0 : commonLines(removed, added);
  return { added: added.length - kept, removed: removed.length - kept };
}

/** @param {string} text */
const lines = (text) => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

/**
 * The length of the longest common subsequence.
 * @param {string[]} one
 * @param {string[]} other
 */
function commonLines(one, other) {
  let row = new Uint32Array(other.length + 1);
  for (const line of one) {
    const next = new Uint32Array(other.length + 1);
    for (let index = 0; index < other.length; index++) {
      next[index + 1] =
        line === other[index] ? (row[index] ?? 0) + 1 : Math.max(row[index + 1] ?? 0, next[index] ?? 0);
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
