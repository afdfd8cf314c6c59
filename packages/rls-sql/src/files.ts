import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the SQL layer in this package. */
export const sqlDirectory = fileURLToPath(new URL('../sql', import.meta.url));

/** A file of the SQL layer. */
export interface SqlFile {
  /** Relative to the folder, with `/`: `40_tables/public.projects.sql`. The order of paths is the order of application. */
  path: string;
  sql: string;
  /** sha256, hex. */
  checksum: string;
  /**
   * Relations and columns that must exist, from the line `-- requires: public.projects, private.workers.idle_since`;
   * without them the file waits.
   */
  requires: string[];
  /** What takes back what the catalog cannot tell: the sibling `….down.sql`. */
  downSql: string | null;
  /** Files under a folder `…_each_apply` run at every apply. */
  eachApply: boolean;
}

/** Reads every `.sql` file below a folder, in the order of their paths. */
export function readSqlFiles(directory = sqlDirectory): SqlFile[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sql') && !name.endsWith('.down.sql'))
    .map((name) => relative(directory, join(directory, name)).split(sep).join('/'))
    .sort()
    .map((path) => {
      const sql = readFileSync(join(directory, path), 'utf8');
      const down = join(directory, path.replace(/\.sql$/, '.down.sql'));
      const downSql = existsSync(down) ? readFileSync(down, 'utf8') : null;
      return {
        path,
        sql,
        checksum: createHash('sha256')
          .update(sql)
          .update(downSql ?? '')
          .digest('hex'),
        requires: /^-- requires: (.+)$/m.exec(sql)?.[1]?.split(/\s*,\s*/) ?? [],
        downSql,
        eachApply: /(^|\/)\d+_each_apply\//.test(path),
      };
    });
}
