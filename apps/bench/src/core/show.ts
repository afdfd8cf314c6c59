import Table from 'cli-table3';
import type { Check, Group, Result } from './result.ts';

// Colours would be for a terminal only, and this goes to stdout.
const plain = { head: [], border: [], compact: true };

/** A result as a person reads it on a terminal. */
export function showResult({ machine, postgres, groups }: Result): string {
  const on = `${machine.cpu}, ${machine.cores} cores (load ${machine.load}), Node ${machine.node}, PostgreSQL ${postgres.version}`;
  return [...groups.flatMap(showGroup), on].join('\n');
}

function showGroup({ title, unit, contenders, checks }: Group): string[] {
  const right = 'right' as const;
  const figures = new Table({
    head: [unit, 'p50', 'p95', 'p99', 'samples'],
    style: plain,
    colAligns: ['left', right, right, right, right],
  });
  for (const { name, p50, p95, p99, samples } of contenders) {
    figures.push([name, ...[p50, p95, p99].map(decimals), samples]);
  }
  const plans = contenders.flatMap(({ name, buffers, plan }) =>
    plan === undefined ? [] : `${name}: ${buffers} pages; ${plan}`,
  );
  const held = new Table({
    head: ['', 'measured', 'IQR', 'target', ''],
    style: plain,
    colAligns: ['left', right, right, right, 'left'],
  });
  for (const check of checks) held.push(showCheck(check));
  return [title, figures.toString(), ...plans, ...(checks.length > 0 ? [held.toString()] : []), ''];
}

function showCheck({ what, value, unit, spread, target, met }: Check): string[] {
  return [
    what,
    `${decimals(value)} ${unit}`,
    spread ? `${decimals(spread.low)} – ${decimals(spread.high)}` : '',
    target ? ('atMost' in target ? `≤ ${target.atMost} ${unit}` : `≥ ${target.atLeast} ${unit}`) : '',
    met === undefined ? '' : met ? '✓ met' : '✗ missed',
  ];
}

/** Three digits that say something. */
function decimals(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);
}
