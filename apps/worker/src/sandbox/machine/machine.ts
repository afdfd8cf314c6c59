import { randomUUID } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { jobError } from '../../executor/job-errors.ts';
import type { FileContent, Fingerprint } from '../sandbox.ts';
import { programCommand } from './program.ts';

/**
 * Runs a program on another machine. It may be run more than once where its result was lost on the way.
 * @throws ExecutorError when the machine cannot be reached, has stopped or is gone.
 */
export type Exec = (
  command: string[],
  options: { stdin: string; signal?: AbortSignal | undefined },
) => Promise<{ exitCode: number; stdout: string; stderr: string }>;

/** What a shell command came to. `exitCode` is null where it was stopped before its end. */
export interface CommandResult {
  output: string;
  exitCode: number | null;
  timedOut: boolean;
}

/** A file that was changed: its path relative to the project, and how many lines. */
export interface FileChange {
  path: string;
  created: boolean;
  added: number;
  removed: number;
}

export interface SearchOptions {
  pattern: string;
  path?: string | undefined;
  /** An expression over the paths relative to `path`. */
  matches?: string | undefined;
  ignoreCase?: boolean | undefined;
  mode: 'content' | 'files_with_matches' | 'count';
  before?: number | undefined;
  after?: number | undefined;
  limit?: number | undefined;
}

/**
 * A sandbox on another machine. Paths are the agent's: relative to the project or absolute, and refused
 * (`isRefusal`) when they lead out of it. Whatever else is thrown says that the machine is lost.
 */
export interface Machine {
  /** Real paths on that machine. */
  project: string;
  home: string;
  /** Runs a shell command in the project, for as long as it may take: longer than one call of the machine's API. */
  run(command: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<CommandResult>;
  read(path: string, offset?: number, limit?: number): Promise<string>;
  write(path: string, content: string): Promise<FileChange>;
  edit(path: string, oldText: string, newText: string, all?: boolean): Promise<FileChange>;
  /** Paths relative to the project, the latest change first. */
  glob(path?: string, matches?: string): Promise<string[]>;
  grep(search: SearchOptions): Promise<string>;
  files(most: number): Promise<string[]>;
  fingerprints(most: number, mostBytes: number): Promise<Fingerprint[]>;
  /** The contents of files, in that order, as many in one call as there is room for. */
  fetch(paths: string[], mostBytes: number): AsyncIterable<FileContent>;
  /** What a file says, if it is there, and whether something serves the port. */
  preview(file: string, port: number): Promise<{ content?: string | undefined; serving: boolean }>;
  /** The lines kept under a name; empty when there are none. */
  loadTranscript(name: string): Promise<string>;
  appendTranscript(name: string, lines: string): Promise<void>;
  /** Ends all that runs for the session. */
  endProcesses(): Promise<void>;
}

/** A call that the machine refused; `message` is for the agent. */
class Refusal extends Error {}

export const isRefusal = (error: unknown): error is Error => error instanceof Refusal;

const answerSchema = z.union([
  z.object({ value: z.unknown() }),
  z.object({ refusal: z.string() }),
  z.object({ superseded: z.literal(true) }),
  z.object({ failure: z.string() }),
]);
const paths = z.array(z.string());
const change = z.object({ path: z.string(), created: z.boolean(), added: z.int(), removed: z.int() });
const progress = z.object({ done: z.boolean(), exitCode: z.int().nullable().optional(), output: z.string() });
const opened = z.object({ project: z.string(), home: z.string() });
const previewAnswer = z.object({ content: z.string().optional(), serving: z.boolean() });
const page = z.object({ gzip: z.string(), next: z.int().nullable() });
const fingerprints = z.array(
  z.object({ path: z.string(), size: z.int().nonnegative(), hash: z.string().max(64).optional() }),
);
const piece = z.object({ length: z.int().nonnegative(), ends: z.boolean(), isThere: z.boolean() });
const fetched = z.object({ pieces: z.array(piece).min(1), gzip: z.string() });

/** How long one call waits for a command; far enough below the minute at which an API gives a call up. */
const WAIT_MS = 20_000;
const APPEND_BYTES = 256 * 1024;
/** More than one answer has room for. */
const MAX_FETCHED = 2 * 1024 * 1024;

/**
 * Takes a machine over for a session: whatever an earlier holder left running is ended, and its calls are refused
 * from now on.
 * @throws what `exec` throws
 */
export async function openMachine(exec: Exec, sessionId: string): Promise<Machine> {
  const epoch = randomUUID();

  async function call<T>(
    schema: z.ZodType<T>,
    operation: string,
    input: object = {},
    signal?: AbortSignal,
  ): Promise<T> {
    const stdin = JSON.stringify({ operation, id: randomUUID(), session: sessionId, epoch, input });
    const { exitCode, stdout, stderr } = await exec(programCommand, { stdin, signal });
    const answer = answerSchema.safeParse(parseJson(stdout)).data;
    if (!answer) {
      const cause = `${operation}: exit code ${exitCode}: ${stderr.trim().split('\n').at(-1) ?? ''}`;
      throw jobError('sandbox_lost', { cause });
    }
    if ('refusal' in answer) throw new Refusal(answer.refusal);
    if ('superseded' in answer) throw jobError('sandbox_lost', { cause: 'another worker opened it' });
    // What its file system says, of paths that are the agent's own.
    if ('failure' in answer) throw new Refusal(answer.failure);
    return schema.parse(answer.value);
  }

  const { project, home } = await call(opened, 'open');
  return {
    project,
    home,
    async run(command, { timeoutMs, signal }) {
      const job = randomUUID();
      const end = performance.now() + timeoutMs;
      try {
        for (;;) {
          const waitMs = Math.max(0, Math.min(WAIT_MS, end - performance.now()));
          const { done, exitCode, output } = await call(progress, 'run', { job, command, waitMs }, signal);
          if (done) return { output, exitCode: exitCode ?? null, timedOut: false };
          if (performance.now() < end) continue;
          await call(z.unknown(), 'kill', { job });
          return { output, exitCode: null, timedOut: true };
        }
      } catch (error) {
        // The request is given up; what it started over there is not, by itself.
        if (signal?.aborted) await call(z.unknown(), 'kill', { job }).catch(() => {});
        throw error;
      }
    },
    read: (path, offset, limit) => call(z.string(), 'read', { path, offset, limit }),
    write: (path, content) => call(change, 'write', { path, content }),
    edit: (path, oldText, newText, all) => call(change, 'edit', { path, oldText, newText, all }),
    glob: (path, matches) => call(paths, 'glob', { path, matches }),
    grep: (search) => call(z.string(), 'grep', search),
    files: (most) => call(paths, 'files', { most }),
    fingerprints: (most, mostBytes) => call(fingerprints, 'fingerprints', { most, mostBytes }),
    async *fetch(paths, mostBytes) {
      let parts: Buffer[] = [];
      let offset = 0;
      for (let next = 0; next < paths.length; ) {
        const request = { paths: paths.slice(next), offset, mostBytes };
        const { pieces, gzip } = await call(fetched, 'fetch', request);
        const bytes = gunzipSync(Buffer.from(gzip, 'base64'), { maxOutputLength: MAX_FETCHED });
        let at = 0;
        for (const { length, ends, isThere } of pieces) {
          const path = paths[next];
          const part = bytes.subarray(at, at + length);
          if (path === undefined || (part.length === 0 && !ends) || offset + length > mostBytes) {
            throw jobError('sandbox_failed', { cause: 'fetch: pieces that make no file' });
          }
          parts.push(part);
          at += length;
          offset += length;
          if (!ends) continue;
          yield { path, content: isThere ? Buffer.concat(parts) : undefined };
          next++;
          offset = 0;
          parts = [];
        }
      }
    },
    preview: (file, port) => call(previewAnswer, 'preview', { file, port }),
    async loadTranscript(name) {
      const parts: Buffer[] = [];
      for (let offset: number | null = 0; offset !== null; ) {
        const { gzip, next }: z.infer<typeof page> = await call(page, 'load', { name, offset });
        if (gzip) parts.push(gunzipSync(Buffer.from(gzip, 'base64')));
        offset = next;
      }
      return Buffer.concat(parts).toString('utf8');
    },
    async appendTranscript(name, lines) {
      for (const piece of pieces(lines, APPEND_BYTES)) {
        await call(z.unknown(), 'append', { name, lines: piece });
      }
    },
    async endProcesses() {
      await call(z.unknown(), 'end');
    },
  };
}

/** The text in pieces of at most so many characters, none of which ends within a character. */
function pieces(text: string, most: number): string[] {
  return text.match(new RegExp(`[\\s\\S]{1,${most}}`, 'gu')) ?? [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
