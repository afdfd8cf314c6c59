import type { Unit } from './checks.ts';

/** Seconds for a person: `42 s`, `3 min`, `5 h`, `2 d`. */
export function time(seconds: number | null): string {
  const value = Math.max(seconds ?? 0, 0);
  if (value < 100) return `${Math.round(value)} s`;
  if (value < 6_000) return `${Math.round(value / 60)} min`;
  return value < 172_800 ? `${Math.round(value / 3_600)} h` : `${Math.round(value / 86_400)} d`;
}

/** A number of a unit for a person. */
export function inWords(value: number, unit: Unit): string {
  switch (unit) {
    case 'seconds':
      return time(value);
    case 'ratio':
      return `${round(value * 100)} %`;
    case 'times':
      return `${round(value)} ×`;
    case 'bytes':
      return bytes(value);
    case 'count':
      return value.toLocaleString('en-US');
  }
}

const round = (value: number) => (value < 10 ? Number(value.toFixed(1)) : Math.round(value));

function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(Math.max(Math.floor(Math.log2(Math.max(value, 1)) / 10), 0), units.length - 1);
  return `${round(value / 1_024 ** power)} ${units[power]}`;
}
