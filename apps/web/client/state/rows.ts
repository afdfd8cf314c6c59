/** What was not deleted: the store keeps tombstones. */
export const present = <Row extends { deleted_at: string | null }>(rows: ReadonlyMap<string, Row>): Row[] =>
  [...rows.values()].filter(({ deleted_at }) => deleted_at === null);

/** The latest made first; of those made in one instant, the greater id, so that the order holds. */
export const newestFirst = <Row extends { id: string; created_at: string }>(rows: Row[]): Row[] =>
  rows.sort((a, b) => compare(b.created_at, a.created_at) || compare(b.id, a.id));

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
