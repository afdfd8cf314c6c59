import type pg from 'pg';
import { alone } from '../../src/archive/alone.ts';
import { archiveMonth } from '../../src/archive/archive.ts';
import { findMonths } from '../../src/archive/months.ts';
import { openRegister } from '../../src/archive/register.ts';
import { restoreMonth } from '../../src/archive/restore.ts';
import { type ArchiveStore, openLocation, openStore } from '../../src/archive/store.ts';

export type Step = <T>(task: () => Promise<T>) => Promise<T>;

/** Archives or restores a month as the command does; everything asked of the database or of the store goes by `step`. */
export async function stepwise(
  what: 'archive' | 'restore',
  month: string,
  { pool, directory, step }: { pool: pg.Pool; directory: string; step: Step },
): Promise<void> {
  const stepping = {
    connect: async () => {
      const client = await pool.connect();
      return new Proxy(client, {
        get(of, name) {
          const value = Reflect.get(of, name);
          if (name === 'query') return (...args: [string]) => step(() => of.query(...args));
          return typeof value === 'function' ? value.bind(of) : value;
        },
      });
    },
  } as unknown as pg.Pool;
  const storeOf = (store: ArchiveStore): ArchiveStore => ({
    location: store.location,
    write: (...args) => step(() => store.write(...args)),
    read: (...args) => step(() => store.read(...args)),
    list: (...args) => step(() => store.list(...args)),
    remove: (...args) => step(() => store.remove(...args)),
  });
  const register = openRegister(stepping);
  await alone(stepping, async (signal) => {
    const store = storeOf(openStore({ directory, storage: undefined }, signal));
    const locate = (location: string) => {
      const found = openLocation(location, { storage: undefined, signal });
      return { ...found, store: storeOf(found.store) };
    };
    const options = { register, store, locate, signal, onProgress: () => {} };
    const [found] = findMonths(await register.months(), month);
    if (!found) throw new Error(`there is no ${month}`);
    if (what === 'restore') await restoreMonth(found, options);
    else if (found.state !== 'archived') await archiveMonth(found, options);
  });
}
