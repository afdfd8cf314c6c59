import type { Scope } from './attempts.ts';

/** `yes`: rows seen or changed; `no row`; `denied`: 42501; else the SQLSTATE of what stopped it after the grants. */
export type Outcome = string;
/** What came of one operation: by scope, by item. */
export type Cell = Map<Scope, Map<string, Outcome>>;
/** By target, by actor, by operation. */
export type Matrix = Map<string, Map<string, Map<string, Cell>>>;

const NOTHING = '–';

/** Enters an outcome, where what is attempted blindly counts only if nothing else got through. */
export function enter(cell: Cell, scope: Scope, item: string, outcome: Outcome): void {
  let items = cell.get(scope);
  if (!items) {
    items = new Map();
    cell.set(scope, items);
  }
  items.set(item, outcome);
}

/** Drops what says nothing new: a blind attempt where the aimed one got through too; foreign where it is as own. */
export function condense(cell: Cell): Cell {
  const condensed: Cell = new Map();
  for (const [scope, items] of cell) {
    if (scope !== 'blind') condensed.set(scope, items);
    else {
      const more = [...items].filter(
        ([item, outcome]) =>
          outcome !== 'denied' &&
          (cell.get('own')?.get(item) ?? 'denied') === 'denied' &&
          (cell.get('foreign')?.get(item) ?? 'denied') === 'denied',
      );
      if (more.length > 0) condensed.set('blind', new Map(more));
    }
  }
  return condensed;
}

const same = (a: Map<string, Outcome> | undefined, b: Map<string, Outcome> | undefined): boolean =>
  !!a && !!b && a.size === b.size && [...a].every(([item, outcome]) => b.get(item) === outcome);

/** A cell for people: `all`, `name, status=cancelled`, `**own** all · **foreign** no row: all`, `–`. */
function render(cell: Cell): string {
  const scopes = [...cell].filter(([, items]) => [...items.values()].some((outcome) => outcome !== 'denied'));
  if (scopes.length === 0) return NOTHING;
  if (same(cell.get('own'), cell.get('foreign')) && !cell.has('blind')) {
    return renderItems(cell.get('own') ?? new Map());
  }
  return scopes.map(([scope, items]) => `**${scope}** ${renderItems(items)}`).join(' · ');
}

function renderItems(items: Map<string, Outcome>): string {
  const byOutcome = new Map<Outcome, string[]>();
  for (const [item, outcome] of collapse(items)) {
    if (outcome !== 'denied') byOutcome.set(outcome, [...(byOutcome.get(outcome) ?? []), item]);
  }
  const groups = [...byOutcome].sort(([a], [b]) => Number(b === 'yes') - Number(a === 'yes'));
  return groups
    .map(([outcome, list]) => {
      const everything = list.length === collapse(items).size ? 'all' : list.join(', ');
      return outcome === 'yes' ? everything : `${outcome}: ${everything}`;
    })
    .join('; ');
}

// A column whose labels all fare alike is named once.
function collapse(items: Map<string, Outcome>): Map<string, Outcome> {
  const collapsed = new Map<string, Outcome>();
  for (const [item, outcome] of items) {
    const column = item.split('=')[0] ?? item;
    const alike = [...items].every(([other, its]) => !other.startsWith(`${column}=`) || its === outcome);
    collapsed.set(alike ? column : item, outcome);
  }
  return collapsed;
}

/** What the expected cell says of one item. */
function expectedOutcome(expected: string, scope: Scope, item: string): Outcome {
  for (const part of expected.split(' · ')) {
    const [, of, rest] = /^(?:\*\*(\w+)\*\* )?(.*)$/.exec(part) ?? [];
    if (of ? of !== scope : scope === 'blind') continue;
    for (const group of (rest ?? '').split('; ')) {
      const [, outcome = 'yes', list = ''] = /^(?:([^:]+): )?(.*)$/.exec(group) ?? [];
      if (list === NOTHING) continue;
      if (/^(no row|[0-9A-Z]{5})$/.test(list)) return list;
      const named = list.split(', ');
      if (
        list === 'all' ||
        list === 'yes' ||
        named.includes(item) ||
        named.includes(item.split('=')[0] ?? item)
      )
        return outcome;
    }
  }
  return 'denied';
}

/** The differences between a cell and what was expected of it, a line each. */
export function differences(cell: Cell, expected: string, where: string): string[] {
  return [...cell].flatMap(([scope, items]) =>
    [...items].flatMap(([item, outcome]) => {
      const wanted = expectedOutcome(expected, scope, item);
      if (wanted === outcome) return [];
      const kind =
        wanted === 'denied' || outcome === 'yes'
          ? 'unexpected success'
          : outcome === 'denied' || wanted === 'yes'
            ? 'unexpected failure'
            : 'unexpected answer';
      return [`${kind}: ${where} · ${scope} · ${item}: ${outcome}, expected ${wanted}`];
    }),
  );
}

const HEAD = `The expected matrix of the attack suite

Written by \`UPDATE_MATRIX=1 pnpm vitest run test/attack/matrix.test.ts\`, then reviewed by hand; compared by every other run.

**own** and **foreign** are the row of the attacker and that of somebody else (where neither stands: the same for both);
**blind** is what was tried without naming a row, or a single column alone. A list of columns: exactly these. \`no row\`: not
refused, but nothing was seen or changed. A code: the grants let it through, and a constraint or a trigger stopped it
(23503 a foreign key, 23505 a unique key, 23514 a check, MV… a rule of ours, 57014 a copy that may begin). \`–\`: refused (42501). The attackers: a user
and another user with rows of their own; another user with forged claims (service_role in user_metadata, app_metadata and
elsewhere); \`no claims\`: authenticated without a user; mobvibe_app: the login as it is.
`;

export function writeMatrix(matrix: Matrix, operations: readonly string[]): string {
  const text = [HEAD];
  const calls: [string, Map<string, Map<string, Cell>>][] = [];
  for (const [target, actors] of matrix) {
    if (target.endsWith(')')) {
      calls.push([target, actors]);
      continue;
    }
    text.push(
      `## ${target}`,
      '',
      `| | ${operations.join(' | ')} |`,
      `|---|${'---|'.repeat(operations.length)}`,
    );
    // Who fares alike stands in one line.
    const lines = new Map<string, string[]>();
    for (const [actor, cells] of actors) {
      const line = operations
        .map((operation) => render(condense(cells.get(operation) ?? new Map())))
        .join(' | ');
      lines.set(line, [...(lines.get(line) ?? []), actor]);
    }
    for (const [line, names] of lines) text.push(`| ${names.join(', ')} | ${line} |`);
    text.push('');
  }
  const actors = [...(calls[0]?.[1].keys() ?? [])];
  text.push('## Functions', '', `| | ${actors.join(' | ')} |`, `|---|${'---|'.repeat(actors.length)}`);
  for (const [target, byActor] of calls) {
    const line = actors.map((actor) =>
      render(byActor.get(actor)?.get('call') ?? new Map())
        .replaceAll(': all', '')
        .replaceAll('all', 'yes'),
    );
    text.push(`| ${target} | ${line.join(' | ')} |`);
  }
  return `${text.join('\n')}\n`;
}

/** The expected cells, by `target · actor · operation`. */
export function readMatrix(text: string): Map<string, string> {
  const cells = new Map<string, string>();
  let section = '';
  let head: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('## ')) {
      section = line.slice(3);
      head = [];
    } else if (line.startsWith('|') && !line.startsWith('|---')) {
      const [first = '', ...rest] = line
        .slice(1, -1)
        .split('|')
        .map((part) => part.trim());
      if (head.length === 0) head = rest;
      else {
        rest.forEach((cell, n) => {
          for (const target of section === 'Functions' ? [first] : first.split(', ')) {
            cells.set(
              section === 'Functions'
                ? `${target} · ${head[n]} · call`
                : `${section} · ${target} · ${head[n]}`,
              cell,
            );
          }
        });
      }
    }
  }
  return cells;
}
