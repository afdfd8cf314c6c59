import { splitList, statements, type Token } from './tokens.ts';

const DEFAULT_SCHEMA = 'public';
const API_ROLES = 'public, anon, authenticated, service_role';

export interface Transformed {
  sql: string;
  /** What the script does, each a short phrase: `creates table public.tags`. */
  summary: string[];
  /** Statements that are written as Prisma wrote them, since nothing here knows how to make them repeatable. */
  unknown: string[];
}

export interface TransformOptions {
  /** Quotes a name where it needs that: Postgres's quote_ident. */
  quote: (name: string) => string;
  /** The script of the other direction, which tells what values an enum loses. */
  reverse: string;
  /** For down.sql: what the SQL layer built on a table goes with it. */
  cascade?: boolean;
}

interface Part {
  sql: string;
  /** Statements of plpgsql, to stand in a DO block. */
  guarded: boolean;
}

/**
 * Rewrites a script of `prisma migrate diff` so that running it again changes nothing and no table is ever open:
 * names carry their schema, whatever has `if [not] exists` uses it, the rest is guarded by a look into the catalog,
 * and a table is created together with its row-level security and its revokes.
 */
export function transform(script: string, options: TransformOptions): Transformed {
  const parts: Part[] = [];
  const summary: string[] = [];
  const unknown: string[] = [];
  const { quote } = options;

  const queue = statements(script);
  for (let tokens = queue.shift(); tokens; tokens = queue.shift()) {
    const cursor = new Cursor(tokens, quote);
    if (cursor.takes('begin')) {
      const end = queue.findIndex((next) => new Cursor(next, quote).takes('commit'));
      const inner = queue.splice(0, end + 1).slice(0, -1);
      parts.push(changeEnum(inner));
    } else if (cursor.takes('create schema')) {
      cursor.takes('if not exists');
      plain(`create schema if not exists ${cursor.name()}`);
    } else if (cursor.takes('create extension')) {
      cursor.takes('if not exists');
      plain(`create extension if not exists ${cursor.rest()}`);
    } else if (cursor.takes('create type')) createType(cursor);
    else if (cursor.takes('alter type')) alterType(cursor);
    else if (cursor.takes('drop type')) drop('type', cursor);
    else if (cursor.takes('create table')) createTable(cursor);
    else if (cursor.takes('alter table')) alterTable(cursor);
    else if (cursor.takes('drop table')) drop('table', cursor, options.cascade ? ' cascade' : '');
    else if (cursor.takes('create unique index')) createIndex(cursor, 'unique index');
    else if (cursor.takes('create index')) createIndex(cursor, 'index');
    else if (cursor.takes('drop index')) drop('index', cursor);
    else if (cursor.takes('alter index')) {
      const index = cursor.relation();
      plain(`alter index if exists ${index} ${cursor.rest()}`);
      summary.push(`renames index ${index}`);
    } else {
      unknown.push(cursor.rest());
      plain(cursor.rest());
    }
  }
  return { sql: assemble(parts), summary, unknown };

  function plain(sql: string) {
    parts.push({ sql: `${sql};`, guarded: false });
  }

  function guarded(condition: string, lines: string[]) {
    parts.push({ sql: guard(condition, lines), guarded: true });
  }

  function createType(cursor: Cursor) {
    const type = cursor.relation();
    guarded(`to_regtype('${type}') is null`, [`create type ${type} ${cursor.rest()};`]);
    summary.push(`creates type ${type}`);
  }

  function alterType(cursor: Cursor) {
    const type = cursor.relation();
    if (cursor.takes('add value')) {
      const value = cursor.rest();
      plain(`alter type ${type} add value if not exists ${value}`);
      summary.push(`adds ${value} to type ${type}`);
    } else {
      unknown.push(`alter type ${type} ${cursor.rest()}`);
      plain(`alter type ${type} ${cursor.rest()}`);
    }
  }

  // Prisma replaces an enum that loses values: a new type, every column moved to it, the old one dropped.
  function changeEnum(inner: Token[][]): Part {
    const lines: string[] = [];
    let condition = 'true';
    for (const tokens of inner) {
      const cursor = new Cursor(tokens, quote);
      if (cursor.takes('create type')) {
        const type = cursor.relation();
        const values = cursor.rest();
        const name = type.replace(/_new("?)$/, '$1');
        const lost = lostValues(tokens, options.reverse);
        condition = `exists (
    select from pg_catalog.pg_enum where enumtypid = '${name}'::regtype and enumlabel in (${lost.join(', ')})
  )`;
        lines.push(`create type ${type} ${values};`);
        summary.push(`replaces the values of type ${name}`);
      } else if (cursor.takes('alter table')) {
        lines.push(`alter table ${cursor.relation()} ${cursor.columns()};`);
      } else if (cursor.takes('alter type')) {
        lines.push(`alter type ${cursor.relation()} ${cursor.rest()};`);
      } else if (cursor.takes('drop type')) {
        lines.push(`drop type ${cursor.relation()};`);
      } else {
        unknown.push(cursor.rest());
        lines.push(`${cursor.rest()};`);
      }
    }
    return { sql: guard(condition, lines), guarded: true };
  }

  function createTable(cursor: Cursor) {
    const table = cursor.relation();
    const elements = splitList(cursor.parenthesised()).map((element) => {
      return `  ${new Cursor(element, quote).columnDefinition()}`;
    });
    guarded(`to_regclass('${table}') is null`, [
      `create table ${table} (`,
      ...elements.join(',\n').split('\n'),
      ');',
      `alter table ${table} enable row level security;`,
      `revoke all on table ${table} from ${API_ROLES};`,
    ]);
    summary.push(`creates table ${table}`);
  }

  function alterTable(cursor: Cursor) {
    const table = cursor.relation();
    const actions = splitList(cursor.remaining());
    const name = (action: Token[], phrase: string) => {
      const at = new Cursor(action, quote);
      return at.takes(phrase) ? at.name() : undefined;
    };
    const added = actions.map((action) => name(action, 'add column'));
    const retyped = new Set(
      actions
        .map((action) => name(action, 'drop column'))
        .filter((column) => column !== undefined && added.includes(column)),
    );
    let collected: string[] = [];
    const flush = () => {
      // What only drops may find the table gone when it runs again.
      const target = collected.every((action) => action.startsWith('drop ')) ? `if exists ${table}` : table;
      if (collected.length === 1) plain(`alter table ${target} ${collected[0]}`);
      else if (collected.length > 1) plain(`alter table ${target}\n  ${collected.join(',\n  ')}`);
      collected = [];
    };
    // Prisma's order counts: a constraint may need the column that is added before it.
    const guardedAction = (condition: string, lines: string[]) => {
      flush();
      guarded(condition, lines);
    };
    for (const action of actions) {
      const at = new Cursor(action, quote);
      const column = name(action, 'add column') ?? name(action, 'drop column');
      if (at.takes('add constraint')) {
        const constraint = at.name();
        summary.push(`adds constraint ${constraint} to ${table}`);
        guardedAction(missingConstraint(table, constraint), [
          `alter table ${table} add constraint ${constraint}`,
          `  ${at.constraint()};`,
        ]);
      } else if (at.takes('rename constraint')) {
        const [from, , to] = [at.name(), at.takes('to'), at.name()];
        summary.push(`renames constraint ${from} of ${table}`);
        guardedAction(missingConstraint(table, to), [
          `alter table ${table} rename constraint ${from} to ${to};`,
        ]);
      } else if (column && retyped.has(column)) {
        // Said below, drop and add in one guard: alone, the drop would lose the new column's data on a second run.
        if (at.takes('drop column')) continue;
        at.takes('add column');
        const definition = at.columnDefinition();
        summary.push(`drops column ${table}.${column} with its data and adds it with another type`);
        guardedAction(otherType(table, column, action, quote), [
          `alter table ${table} drop column ${column};`,
          `alter table ${table} add column ${definition};`,
        ]);
      } else if (at.takes('add column')) {
        collected.push(`add column if not exists ${at.columnDefinition()}`);
        summary.push(`adds column ${table}.${column}`);
      } else if (at.takes('drop column')) {
        collected.push(`drop column if exists ${column}`);
        summary.push(`drops column ${table}.${column}`);
      } else if (at.takes('drop constraint')) {
        const constraint = at.name();
        collected.push(`drop constraint if exists ${constraint}`);
        summary.push(`drops constraint ${constraint} of ${table}`);
      } else if (at.takes('alter column')) {
        const changed = at.name();
        collected.push(`alter column ${changed} ${at.columns()}`);
        summary.push(`alters column ${table}.${changed}`);
      } else {
        collected.push(at.rest());
        unknown.push(`alter table ${table} ${at.rest()}`);
      }
    }
    flush();
  }

  function createIndex(cursor: Cursor, kind: string) {
    const index = cursor.name();
    cursor.takes('on');
    const table = cursor.relation();
    plain(`create ${kind} if not exists ${index} on ${table} ${cursor.rest()}`);
    summary.push(`creates ${kind} ${index}`);
  }

  function drop(kind: string, cursor: Cursor, behaviour = '') {
    const object = cursor.relation();
    plain(`drop ${kind} if exists ${object}${behaviour}`);
    summary.push(`drops ${kind} ${object}`);
  }
}

/** Reads a statement from left to right and writes it in the style of this repository. */
class Cursor {
  #at = 0;
  readonly #tokens: Token[];
  readonly #quote: (name: string) => string;

  constructor(tokens: Token[], quote: (name: string) => string) {
    this.#tokens = tokens;
    this.#quote = quote;
  }

  /** Steps over these words if they come next. */
  takes(phrase: string): boolean {
    const words = phrase.split(' ');
    const match = words.every((word, i) => this.#isWord(this.#tokens[this.#at + i], word));
    if (match) this.#at += words.length;
    return match;
  }

  /** A name without a schema. */
  name(): string {
    return this.#quote(this.#tokens[this.#at++]?.value ?? '');
  }

  /** A name with its schema; `public` where Prisma leaves it out. */
  relation(): string {
    const first = this.name();
    if (this.#tokens[this.#at]?.value !== '.') return `${DEFAULT_SCHEMA}.${first}`;
    this.#at++;
    return `${first}.${this.name()}`;
  }

  /** What stands in the parentheses that come next. */
  parenthesised(): Token[] {
    const from = ++this.#at;
    this.#at = this.#tokens.length;
    return this.#tokens.slice(from, -1);
  }

  remaining(): Token[] {
    const tokens = this.#tokens.slice(this.#at);
    this.#at = this.#tokens.length;
    return tokens;
  }

  rest(): string {
    return this.#render(this.remaining());
  }

  /** `name type …`, or a table constraint. */
  columnDefinition(): string {
    if (this.takes('constraint')) return `constraint ${this.name()} ${this.constraint()}`;
    const column = this.name();
    const type = this.#tokens[this.#at]?.kind === 'identifier' ? ` ${this.relation()}` : '';
    return `${column}${type} ${this.columns()}`.trimEnd();
  }

  /** A constraint's definition; the table it references carries its schema. */
  constraint(): string {
    const tokens = this.remaining();
    const at = tokens.findIndex((token) => this.#isWord(token, 'references'));
    if (at < 0) return this.#render(tokens);
    const reference = new Cursor(tokens.slice(at + 1), this.#quote);
    const table = reference.relation();
    return `${this.#render(tokens.slice(0, at))} references ${table} ${reference.rest()}`;
  }

  /** The rest of a column's definition or change, in which types carry their schema. */
  columns(): string {
    const tokens = this.remaining();
    const typed = tokens.flatMap((token, i): Token[] => {
      const previous = tokens[i - 1];
      const isType = previous && (previous.value === '::' || this.#isWord(previous, 'type'));
      if (token.kind !== 'identifier' || !isType || tokens[i + 1]?.value === '.') return [token];
      return [
        { kind: 'identifier', value: DEFAULT_SCHEMA, spaced: token.spaced },
        { kind: 'symbol', value: '.', spaced: false },
        { ...token, spaced: false },
      ];
    });
    return this.#render(typed);
  }

  #render(tokens: Token[]): string {
    return tokens
      .map((token, i) => {
        const opensList = token.value === '(' && tokens[i - 1]?.kind === 'identifier';
        const space = i > 0 && (token.spaced || opensList) ? ' ' : '';
        if (token.kind === 'identifier') return space + this.#quote(token.value);
        return space + (token.kind === 'word' ? token.value.toLowerCase() : token.value);
      })
      .join('');
  }

  #isWord(token: Token | undefined, word: string): boolean {
    return token?.kind === 'word' && token.value.toLowerCase() === word;
  }
}

/**
 * The values that an enum has no more after `create type …_new as enum (…)`: those that the other direction adds, or
 * lists where it replaces the type as well. Asking for them instead of for the exact list lets the script run again
 * after a later migration has added others.
 */
function lostValues(replacement: Token[], reverse: string): string[] {
  const texts = (tokens: Token[]) => tokens.filter(({ kind }) => kind === 'text').map(({ value }) => value);
  const names = (tokens: Token[]) =>
    tokens.filter(({ kind }) => kind === 'identifier').map(({ value }) => value);
  const kept = new Set(texts(replacement));
  const type = names(replacement).at(-1)?.replace(/_new$/, '');
  const listed = statements(reverse)
    .filter((tokens) => [type, `${type}_new`].includes(names(tokens).at(-1)))
    .filter((tokens) => tokens[1]?.value.toLowerCase() === 'type')
    .flatMap(texts);
  return listed.filter((value) => !kept.has(value));
}

function missingConstraint(table: string, constraint: string): string {
  const name = constraint.replace(/^"(.*)"$/, '$1').replaceAll('""', '"');
  return `not exists (
    select from pg_catalog.pg_constraint
    where conrelid = '${table}'::regclass and conname = ${literal(name)}
  )`;
}

function otherType(table: string, column: string, action: Token[], quote: (name: string) => string): string {
  const cursor = new Cursor(action, quote);
  cursor.takes('add column');
  const [, type = ''] = /^\S+ ([^\s(]+(?:\[\])?)/.exec(cursor.columnDefinition()) ?? [];
  const name = column.replace(/^"(.*)"$/, '$1').replaceAll('""', '"');
  return `exists (
    select from pg_catalog.pg_attribute
    where attrelid = '${table}'::regclass and attname = ${literal(name)} and not attisdropped
      and atttypid <> '${type}'::regtype
  )`;
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function guard(condition: string, lines: string[]): string {
  const then = condition.includes('\n') ? '\n  then' : ' then';
  return [`  if ${condition}${then}`, ...lines.map((line) => `    ${line}`), '  end if;'].join('\n');
}

function assemble(parts: Part[]): string {
  const blocks: string[] = [];
  for (let i = 0; i < parts.length; ) {
    const part = parts[i++] as Part;
    if (!part.guarded) {
      blocks.push(part.sql);
      continue;
    }
    const group = [part.sql];
    while (parts[i]?.guarded) group.push((parts[i++] as Part).sql);
    blocks.push(`do $migration$\nbegin\n${group.join('\n\n')}\nend\n$migration$;`);
  }
  return blocks.length > 0 ? `${blocks.join('\n\n')}\n` : '';
}
