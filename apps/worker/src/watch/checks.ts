/** How a number is to be read; `times` is a multiple. */
export type Unit = 'seconds' | 'ratio' | 'times' | 'bytes' | 'count';

/** Something that is watched: the report, its JSON, the metrics and the table in docs/OPERATING.md come from here. */
export interface Check {
  /** As `private.measurements()` names it, which takes the measurement. */
  name: string;
  measures: string;
  unit: Unit;
  /** On which side of its thresholds it is amiss. */
  amiss: 'above' | 'below';
  warn: number;
  /** Users are hurt, or soon will be. Left out: nobody needs to get up for it. */
  critical?: number;
  remedy: string;
}

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** What is watched, in the order in which it is shown: what users feel first comes first. */
export const CHECKS: readonly Check[] = [
  {
    name: 'oldest_due_job',
    measures: 'how long the oldest job has been due that waits for nothing but a worker',
    unit: 'seconds',
    amiss: 'above',
    warn: MINUTE,
    critical: 10 * MINUTE,
    remedy:
      'Start workers, or give them more --concurrency: pnpm worker status shows which are live and which have a free place.',
  },
  {
    name: 'delayed_jobs',
    measures: 'jobs that wait for a later time, most of them for their next attempt',
    unit: 'count',
    amiss: 'above',
    warn: 100,
    remedy:
      'Many attempts fail: error_code and error in private.job_attempts say why; if it is the model or the sandboxes, look at their status page.',
  },
  {
    name: 'expired_lease',
    measures: 'how long ago the lease of a running job ran out without anybody taking the job back',
    unit: 'seconds',
    amiss: 'above',
    warn: MINUTE,
    critical: 5 * MINUTE,
    remedy: 'No worker is alive to take it back: start one, or run pnpm worker maintain.',
  },
  {
    name: 'silent_workers',
    measures: 'workers that were last heard of between a minute and an hour ago and did not say goodbye',
    unit: 'count',
    amiss: 'above',
    warn: 1,
    remedy:
      'They were killed or cut off: read their log (pnpm worker status names host and pid); their jobs are taken back by the others.',
  },
  {
    name: 'partition_runway',
    measures: 'how far ahead months of session_events are made without a gap',
    unit: 'seconds',
    amiss: 'below',
    warn: 30 * DAY,
    critical: 7 * DAY,
    remedy:
      'Every worker makes them each hour, so none runs or it fails: pnpm worker maintain makes them, or says what is in the way.',
  },
  {
    name: 'default_partition_rows',
    measures: 'events in the default partition, for whose month there was none',
    unit: 'count',
    amiss: 'above',
    warn: 1,
    critical: 1_000,
    remedy:
      'pnpm worker maintain, which every worker does each hour, moves them into a month of their own; those of an archived month go there when it is restored.',
  },
  {
    name: 'stuck_archive',
    measures: 'how long ago a month was archived that is still here',
    unit: 'seconds',
    amiss: 'above',
    warn: HOUR,
    critical: DAY,
    remedy:
      'What was to drop it ended early: run pnpm worker archive again, which goes on from there and loses nothing.',
  },
  {
    name: 'connections',
    measures: 'connections in use, of those that the server or this database allows',
    unit: 'ratio',
    amiss: 'above',
    warn: 0.8,
    critical: 0.95,
    remedy:
      'Send applications through the transaction pooler, or lower --connections of workers; pg_stat_activity says by application_name who holds them.',
  },
  {
    name: 'oldest_transaction',
    measures: 'how long the oldest transaction has been open',
    unit: 'seconds',
    amiss: 'above',
    warn: 5 * MINUTE,
    critical: 30 * MINUTE,
    remedy:
      'It holds its locks and keeps dead rows from being removed: if it is nobody’s migration or dump, select pg_terminate_backend(pid).',
  },
  {
    name: 'oldest_prepared_transaction',
    measures: 'how long the oldest prepared transaction (two-phase commit) has been waiting',
    unit: 'seconds',
    amiss: 'above',
    warn: 5 * MINUTE,
    critical: HOUR,
    remedy:
      'Nothing of ours prepares any, and none ends by itself: commit prepared or rollback prepared, with its name.',
  },
  {
    name: 'snapshot_age',
    measures: 'transactions begun since the oldest snapshot that somebody holds',
    unit: 'count',
    amiss: 'above',
    warn: 1_000_000,
    critical: 10_000_000,
    remedy:
      'No row that died since then can be removed: end the transaction with select pg_terminate_backend(pid), or drop the slot that nobody reads.',
  },
  {
    name: 'transaction_id_usage',
    measures: 'age of the oldest transaction id, of the 2 billion after which the server refuses writes',
    unit: 'ratio',
    amiss: 'above',
    warn: 0.25,
    critical: 0.6,
    remedy:
      'Autovacuum cannot freeze: end what snapshot_age names, then run vacuum (freeze) in that database, its oldest tables first.',
  },
  {
    name: 'replication_slot_lag',
    measures: 'WAL that the server keeps for a replication slot',
    unit: 'bytes',
    amiss: 'above',
    warn: GIB,
    critical: 4 * GIB,
    remedy:
      'Its reader is slow or gone, and the disk fills up: restart the reader, or select pg_drop_replication_slot(name) if nobody needs it.',
  },
  {
    name: 'autovacuum_lag',
    measures:
      'dead rows of a table, as a multiple of the number at which autovacuum begins (from 10,000 rows)',
    unit: 'times',
    amiss: 'above',
    warn: 3,
    critical: 20,
    remedy:
      'Run vacuum (analyze) on it; if it comes back, see snapshot_age, and that autovacuum is on and has enough workers and cost limit.',
  },
  {
    name: 'dead_rows',
    measures: 'dead rows of a table, of all its rows (from 10,000 dead ones)',
    unit: 'ratio',
    amiss: 'above',
    warn: 0.3,
    remedy:
      'Run vacuum (analyze) on it; if it comes back, lower its autovacuum_vacuum_scale_factor in a migration.',
  },
  {
    name: 'table_bloat',
    measures: 'free space in a table, estimated, of its size (from 10 MiB)',
    unit: 'ratio',
    amiss: 'above',
    warn: 0.5,
    remedy:
      'It is reused as rows come; to give it back to the disk, pg_repack, or vacuum full while nobody needs the table.',
  },
  {
    name: 'index_bloat',
    measures: 'free space in an index, estimated, of its size (from 10 MiB)',
    unit: 'ratio',
    amiss: 'above',
    warn: 0.5,
    remedy: 'Run reindex index concurrently on it, which blocks nobody.',
  },
  {
    name: 'cache_hits',
    measures: 'pages found in shared buffers, of all that were asked for (from 10,000 reads)',
    unit: 'ratio',
    amiss: 'below',
    warn: 0.99,
    critical: 0.9,
    remedy:
      'What is in use no longer fits into memory: pnpm worker slow-queries shows who reads most; archive old events, or take a larger instance.',
  },
  {
    name: 'sequential_scans',
    measures: 'reads of a table as a whole, of all its reads (from 10,000 rows and 100 such reads)',
    unit: 'ratio',
    amiss: 'above',
    warn: 0.1,
    remedy:
      'A query has no index to use: find it with pnpm worker slow-queries, and give it one in a migration.',
  },
  {
    name: 'unused_index',
    measures: 'size of an index that no query has used since the statistics began',
    unit: 'bytes',
    amiss: 'above',
    warn: 10 * MIB,
    remedy:
      'It costs every write: if its row under Indexes in DATABASE.md is out of date and a month of statistics agrees, drop it in a migration.',
  },
];
