import type pg from 'pg';

/** How Postgres answered a query, those inside its functions and triggers included. */
export interface Plan {
  /** Pages of 8 KiB that it looked at, in memory or not. */
  buffers: number;
  /** The ways of reading, the outermost query first; the months of a partitioned table counted. */
  shape: string;
  scans: Scan[];
}

export interface Scan {
  /** As Postgres calls it: `Seq Scan`, `Index Scan`, … */
  node: string;
  table: string;
  index: string | undefined;
  /** How often it was run; 0 where Postgres found while it ran that it need not. */
  loops: number;
}

interface Node {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Loops'?: number;
  'Shared Hit Blocks'?: number;
  'Shared Read Blocks'?: number;
  Plans?: Node[];
}

/**
 * Makes every statement of this connection tell its plan, those inside functions as well.
 * @param client a superuser's: others may not load auto_explain
 * @returns runs a task on the connection, and says how it was answered
 */
export async function watchPlans(
  client: pg.Client,
): Promise<(task: () => Promise<unknown>) => Promise<Plan>> {
  await client.query(`
    load 'auto_explain';
    set auto_explain.log_min_duration = 0;
    set auto_explain.log_nested_statements = on;
    set auto_explain.log_analyze = on;
    set auto_explain.log_buffers = on;
    set auto_explain.log_timing = off;
    set auto_explain.log_format = json;
    set auto_explain.log_level = notice`);
  let heard: Node[] = [];
  client.on('notice', ({ message = '' }) => {
    const at = message.indexOf('{');
    if (/^duration: .* plan:/s.test(message)) heard.push(JSON.parse(message.slice(at)).Plan);
  });
  return async (task) => {
    heard = [];
    await task();
    // An inner query ends, and is heard, before the one that it is part of.
    return planOf(heard.reverse());
  };
}

function planOf(statements: Node[]): Plan {
  const [outermost] = statements;
  if (!outermost) throw new Error('auto_explain told no plan');
  // Those of the queries inside are in the outermost one's; but triggers run when a write is over.
  const counted = outermost['Node Type'] === 'ModifyTable' ? statements : [outermost];
  return {
    buffers: counted.reduce(
      (sum, node) => sum + (node['Shared Hit Blocks'] ?? 0) + (node['Shared Read Blocks'] ?? 0),
      0,
    ),
    shape: times(statements.map(shapeOf).filter((shape) => shape !== '')).join('; '),
    scans: statements.flatMap(scansOf),
  };
}

const flat = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(flat)];

const scansOf = (statement: Node): Scan[] =>
  flat(statement).flatMap((node) =>
    node['Relation Name'] === undefined || node['Node Type'] === 'ModifyTable'
      ? []
      : {
          node: node['Node Type'],
          table: node['Relation Name'],
          index: node['Index Name'] ?? indexBelow(node),
          loops: node['Actual Loops'] ?? 0,
        },
  );

/** A bitmap scan names its index one step below. */
const indexBelow = (node: Node): string | undefined =>
  (node.Plans ?? []).flatMap(flat).find((below) => below['Index Name'])?.['Index Name'];

const MONTH = /_(\d{4}_\d{2}|default)(?=_|$)/;

/** `Index Scan projects_user_id_updated_at_idx, Index Scan session_events_*_pkey × 12`. */
function shapeOf(statement: Node): string {
  return times(
    scansOf(statement)
      .filter(({ loops }) => loops > 0)
      .map(({ node, table, index }) => `${node} ${(index ?? table).replace(MONTH, '_*')}`),
  ).join(', ');
}

/** Each text once, in order, with how often it came. */
function times(texts: string[]): string[] {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].map(([text, count]) => (count > 1 ? `${text} × ${count}` : text));
}
