import { z } from 'zod';

const spread = z.object({ low: z.number(), high: z.number() });

const target = z.union([z.object({ atMost: z.number() }), z.object({ atLeast: z.number() })]);

/** A figure that matters; with a target, whether it is met. */
const check = z.object({
  what: z.string(),
  value: z.number(),
  /** `×` for a ratio. */
  unit: z.enum(['×', 'ms', 'per second']),
  spread: spread.optional(),
  target: target.optional(),
  met: z.boolean().optional(),
});

/** Contenders that did the same thing, and what their figures say. */
const group = z.object({
  title: z.string(),
  unit: z.enum(['ms', 'per second']),
  contenders: z
    .array(
      z.object({
        name: z.string(),
        samples: z.int(),
        p50: z.number(),
        p95: z.number(),
        p99: z.number(),
        /** Rows that it was measured on, where the contenders differ in that. */
        size: z.int().optional(),
        /** Pages of 8 KiB that one run looked at, and how: the indexes in use. */
        buffers: z.int().optional(),
        plan: z.string().optional(),
      }),
    )
    .min(1),
  checks: z.array(check),
});

/** What a result file holds. */
export const resultSchema = z.object({
  benchmark: z.string(),
  date: z.iso.datetime(),
  /** Of this repository; `dirty`: there were changes on top of it. */
  commit: z.object({ id: z.string(), dirty: z.boolean() }).optional(),
  options: z.object({ quick: z.boolean(), rounds: z.int() }),
  machine: z.object({
    cpu: z.string(),
    cores: z.int(),
    memoryGiB: z.number(),
    os: z.string(),
    node: z.string(),
    /** Of the last minute, as the run began: above the number of cores, the machine had other work. */
    load: z.number(),
  }),
  postgres: z.object({ version: z.string(), settings: z.record(z.string(), z.string()) }),
  /** Rows of the tables that were measured on. */
  rows: z.record(z.string(), z.int()),
  groups: z.array(group).min(1),
});

export type Result = z.infer<typeof resultSchema>;
export type Group = z.infer<typeof group>;
export type Check = z.infer<typeof check>;
export type Target = z.infer<typeof target>;

/** The checks that miss their target, with the title of their group. */
export const missed = ({ groups }: Pick<Result, 'groups'>): { title: string; check: Check }[] =>
  groups.flatMap(({ title, checks }) =>
    checks.filter(({ met }) => met === false).map((check) => ({ title, check })),
  );
