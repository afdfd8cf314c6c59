import { isDeepStrictEqual } from 'node:util';
import { connect, describe, step } from '@mobvibe/cli';
import { loginUrl } from '@mobvibe/db';
import type pg from 'pg';
import type { Run } from '../core/benchmark.ts';
import { commonQueries } from '../core/common-queries.ts';
import { figureCheck, groupOf, ratioCheck } from '../core/group.ts';
import { interleave } from '../core/interleave.ts';
import type { Group } from '../core/result.ts';
import { figuresOf } from '../core/statistics.ts';
import type { Person } from './fill.ts';

const OPERATIONS = 50;

/**
 * The common queries under row-level security, and with an explicit filter where it is bypassed. Whose turn it is is
 * told to the connection outside the timed part, so that only what the policies cost is seen.
 */
export async function measureCommonQueries(run: Run, people: Person[]): Promise<Group[]> {
  const { url } = run.server.target;
  const asOwner = await connect(run.server.target);
  const asApp = await connect(describe(loginUrl('mobvibe_app', { url })));
  try {
    await asApp.query('set role authenticated');
    const groups: Group[] = [];
    for (const query of commonQueries) {
      const protectedRead = reader(asApp, people, (person) => ({
        text: query.sql(''),
        values: query.values(person),
      }));
      const filtered = reader(asOwner, people, (person) => {
        const values = query.values(person);
        return { text: query.sql(`user_id = $${values.length + 1} and `), values: [...values, person.id] };
      });
      await sameRows(query.name, protectedRead, filtered);
      const [rls, filter] = await step(query.name, (progress) =>
        interleave(
          [
            { name: 'row-level security', slice: () => protectedRead.timed(OPERATIONS) },
            { name: 'explicit filter', slice: () => filtered.timed(OPERATIONS) },
          ],
          { ...run, progress },
        ),
      );
      groups.push(
        groupOf(
          query.name,
          'ms',
          [rls, filter],
          [
            ratioCheck(rls, filter, { atMost: 1.1 }),
            figureCheck('p95 under row-level security', figuresOf(rls, 'low').p95, 'ms', { atMost: 5 }),
          ],
        ),
      );
    }
    return groups;
  } finally {
    await Promise.all([asOwner.end(), asApp.end()]);
  }
}

interface Reader {
  timed(count: number): Promise<number[]>;
  rows(): Promise<unknown[]>;
}

/** Asks one query on behalf of one person after another. */
function reader(
  client: pg.Client,
  people: Person[],
  queryOf: (person: Person) => { text: string; values: unknown[] },
): Reader {
  let turn = 0;
  const next = async () => {
    // A stride, so that neighbours do not share pages.
    const person = people[(turn++ * 619) % people.length] as Person;
    await client.query(`select set_config('request.jwt.claims', $1, false)`, [
      JSON.stringify({ sub: person.id, role: 'authenticated' }),
    ]);
    return queryOf(person);
  };
  return {
    rows: async () => (await client.query(await next())).rows,
    timed: async (count) => {
      const samples: number[] = [];
      for (let index = 0; index < count; index++) {
        const query = await next();
        const started = performance.now();
        await client.query(query);
        samples.push(performance.now() - started);
      }
      return samples;
    },
  };
}

/** Two queries can be compared only where they return the same, and something. */
async function sameRows(name: string, one: Reader, other: Reader): Promise<void> {
  const [rows, others] = [await one.rows(), await other.rows()];
  if (rows.length === 0 || !isDeepStrictEqual(rows, others))
    throw new Error(`${name}: the contenders return ${rows.length} and ${others.length} rows, not the same`);
}
