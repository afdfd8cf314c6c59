const CONTEXT = 2;

/** A short unified diff of two texts: changed lines with two lines around them, `…` for what is left out. */
export function unifiedDiff(before: string, after: string): string[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  const lines = [...edits(a, b)];
  const near = (at: number) =>
    lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((line) => !line.startsWith(' '));
  return lines.flatMap((line, at) => {
    if (near(at)) return [line];
    return at > 0 && near(at - 1) ? [' …'] : [];
  });
}

function* edits(a: string[], b: string[]): Generator<string> {
  // common[i][j]: the length of the longest common subsequence of what follows line i of a and line j of b.
  const common = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const row = common[i] as number[];
      row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      yield ` ${a[i]}`;
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) {
      yield `-${a[i]}`;
      i += 1;
    } else {
      yield `+${b[j]}`;
      j += 1;
    }
  }
}
