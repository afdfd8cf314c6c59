import { spawn } from 'node:child_process';
import { appendFile, mkdir, open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { dirname, join, relative, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { fingerprint, listFiles, openFile } from './files.mjs';
import { countLineChanges } from './line-diff.mjs';
import { isInside, realTarget } from './paths.mjs';
import { endProcesses } from './processes.mjs';

// Runs on a remote machine, once for each call: one request as JSON on stdin, one answer as JSON on stdout. It is
// sent with every call (program.ts), so that a machine made by an older worker needs no update: Node's own modules
// only.

const root = process.env.MOBVIBE_ROOT ?? '/mobvibe';
const MAX_SEARCH_MS = 10_000;
const MAX_FILE_BYTES = 10 * 1024 * 1024;
const MAX_OUTPUT = 30_000;
const MAX_READ = 60_000;
const MAX_LINE = 2_000;
const MAX_FOUND = 10_000;
const PAGE = 1024 * 1024;

/** What the caller may be told as it stands. */
class Refusal extends Error {}

/** Another holder has opened the sandbox since. */
class Superseded extends Error {}

const { operation, id, session, epoch, input = {} } = JSON.parse(await text(process.stdin));
const project = join(root, 'project');
const home = join(root, 'home');
const answer = await settle(async () => {
  if (operation !== 'open' && (await readFile(join(root, 'epoch'), 'utf8').catch(() => '')) !== epoch) {
    throw new Superseded();
  }
  return call();
});
process.stdout.write(JSON.stringify(answer));

async function call() {
  switch (operation) {
    case 'open':
      return openSandbox();
    case 'end':
      return endProcesses(markOf(''));
    case 'run':
      return runCommand(input);
    case 'kill':
      return endProcesses(markOf(input.job));
    case 'read':
      return readLines(input);
    case 'write':
      return once(() => writeWhole(input));
    case 'edit':
      return once(() => replaceText(input));
    case 'glob':
      limitSearch();
      return findFiles(input);
    case 'grep':
      limitSearch();
      return searchFiles(input);
    case 'files':
      return (await listFiles(project, input.most)).map((path) => relative(project, path)).sort();
    case 'fingerprints':
      return fingerprints(input);
    case 'fetch':
      return fetchFiles(input);
    case 'preview':
      return preview(input);
    case 'load':
      return loadTranscript(input);
    case 'append':
      return once(() => appendTranscript(input));
    default:
      throw new Refusal(`no operation ${operation}`);
  }
}

/** @param {() => Promise<unknown>} run */
async function settle(run) {
  try {
    return { value: (await run()) ?? null };
  } catch (error) {
    if (error instanceof Superseded) return { superseded: true };
    if (error instanceof Refusal) return { refusal: error.message };
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Runs what must happen once, however often its caller asks: an answer may be lost on its way.
 * @param {() => Promise<unknown>} run
 */
async function once(run) {
  const directory = join(root, 'calls', id);
  const file = join(directory, 'answer');
  const isFirst = await mkdir(directory).then(
    () => true,
    (error) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
  if (isFirst) {
    const settled = await settle(run);
    await writeFile(`${file}.part`, JSON.stringify(settled));
    await rename(`${file}.part`, file);
  }
  const end = Date.now() + 10_000;
  for (;;) {
    const settled = await readFile(file, 'utf8').catch(() => undefined);
    if (settled !== undefined) {
      const { value, refusal, failure } = JSON.parse(settled);
      if (refusal !== undefined) throw new Refusal(refusal);
      if (failure !== undefined) throw new Error(failure);
      return value;
    }
    if (Date.now() > end)
      throw new Refusal('this call was interrupted: look at the file before you try again');
    await sleep(20);
  }
}

/** Ends what an earlier holder left and shuts it out: its epoch is no longer the sandbox's. */
async function openSandbox() {
  for (const directory of [project, home]) await mkdir(directory, { recursive: true, mode: 0o700 });
  // npm looks upwards for a package, and must not find one of the image.
  await writeFile(join(root, 'package.json'), '{ "private": true }\n');
  await writeFile(join(root, 'epoch.part'), epoch);
  await rename(join(root, 'epoch.part'), join(root, 'epoch'));
  await endProcesses(markOf(''));
  for (const directory of ['calls', 'jobs']) {
    await rm(join(root, directory), { recursive: true, force: true });
    await mkdir(join(root, directory));
  }
  return { project: await realpath(project), home: await realpath(home) };
}

/** The mark of one command, or, as the beginning of each, of all that the session's agent runs. @param {string} job */
function markOf(job) {
  return `MOBVIBE_MACHINE=${session}/${job}`;
}

/**
 * Starts a command, unless it is started, and waits a while for its end. It outlives this call: a call may last a
 * minute at most, a command longer.
 * @param {{ job: string, command: string, waitMs: number }} request
 */
async function runCommand({ job, command, waitMs }) {
  const directory = join(root, 'jobs', job);
  const isFirst = await mkdir(directory).then(
    () => true,
    () => false,
  );
  if (isFirst) {
    const [name = '', value] = markOf(job).split('=');
    const run =
      'bash -c "$1" >"$2/output" 2>&1 </dev/null; echo $? >"$2/status.part"; mv "$2/status.part" "$2/status"';
    const child = spawn('/bin/sh', ['-c', run, 'sh', command, directory], {
      cwd: project,
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, HOME: home, [name]: value, GIT_CEILING_DIRECTORIES: root },
    });
    child.unref();
    await writeFile(join(directory, 'pid.part'), String(child.pid));
    await rename(join(directory, 'pid.part'), join(directory, 'pid'));
  }
  const end = Date.now() + waitMs;
  for (;;) {
    // Asked first: a command that has ended by itself has left its status.
    const hasEnded = !(await isRunning(directory));
    const status = await readFile(join(directory, 'status'), 'utf8').catch(() => undefined);
    if (status !== undefined || hasEnded) {
      const exitCode = status === undefined ? null : Number(status);
      return { done: true, exitCode, output: await outputOf(directory) };
    }
    if (Date.now() >= end) return { done: false, output: await outputOf(directory) };
    await sleep(10);
  }
}

/** @param {string} directory */
async function isRunning(directory) {
  const pid = await readFile(join(directory, 'pid'), 'utf8').catch(() => '');
  // It is being started, by another call.
  if (!pid) return true;
  try {
    return process.kill(Number(pid), 0);
  } catch {
    return false;
  }
}

/** @param {string} directory */
async function outputOf(directory) {
  const file = await open(join(directory, 'output')).catch(() => undefined);
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const part = async (/** @type {number} */ from, /** @type {number} */ length) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from);
      return buffer.toString('utf8', 0, bytesRead);
    };
    if (size <= MAX_OUTPUT) return await part(0, size);
    const half = MAX_OUTPUT / 2;
    return `${await part(0, half)}\n… ${size - MAX_OUTPUT} bytes omitted …\n${await part(size - half, half)}`;
  } finally {
    await file.close();
  }
}

/**
 * The file a path of the agent leads to.
 * @param {unknown} given
 */
async function inProject(given) {
  const base = await realpath(project);
  if (typeof given !== 'string' || given.includes('\0')) throw new Refusal('that path leads nowhere');
  const path = await realTarget(resolve(base, given.trim() || '.')).catch(() => undefined);
  if (!path) throw new Refusal('that path leads nowhere');
  if (!isInside(path, base)) {
    throw new Refusal('that path is outside the project: the agent works in its own directory only');
  }
  return path;
}

/** @param {string} path */
async function readText(path) {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new Refusal('File does not exist.');
  if (!found.isFile()) throw new Refusal('That is no file.');
  if (found.size > MAX_FILE_BYTES)
    throw new Refusal('That file is too large: use the shell to look at parts.');
  const content = await readFile(path, 'utf8');
  if (content.includes('\0')) throw new Refusal('That file is not text.');
  return content;
}

/** @param {{ path: unknown, offset?: number, limit?: number }} request */
async function readLines({ path, offset = 1, limit = 2_000 }) {
  const content = await readText(await inProject(path));
  if (content === '') return 'The file is empty.';
  const lines = content.replace(/\n$/, '').split('\n');
  let size = 0;
  const shown = lines
    .slice(offset - 1, offset - 1 + limit)
    .map((line, index) => `${String(index + offset).padStart(6)}\t${line.slice(0, MAX_LINE)}`)
    .filter((line) => {
      size += line.length + 1;
      return size <= MAX_READ;
    });
  const last = offset - 1 + shown.length;
  const rest =
    last < lines.length ? `\n… ${lines.length - last} more lines: read on with offset ${last + 1}` : '';
  return shown.join('\n') + rest;
}

/** @param {{ path: unknown, content: string }} request */
async function writeWhole({ path: given, content }) {
  const path = await inProject(given);
  const before = await readText(path).catch((error) => {
    if (error instanceof Refusal && error.message === 'File does not exist.') return undefined;
    throw error;
  });
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return {
    path: relative(await realpath(project), path),
    created: before === undefined,
    ...countLineChanges(before ?? '', content),
  };
}

/** @param {{ path: unknown, oldText: string, newText: string, all?: boolean }} request */
async function replaceText({ path: given, oldText, newText, all = false }) {
  const path = await inProject(given);
  const before = await readText(path);
  if (oldText === newText) throw new Refusal('old_string and new_string are the same: nothing to change.');
  if (oldText === '') throw new Refusal('old_string is empty: write the file instead.');
  const parts = before.split(oldText);
  const matches = parts.length - 1;
  if (matches === 0) throw new Refusal('String to replace not found in file.');
  if (matches > 1 && !all) {
    throw new Refusal(
      `Found ${matches} matches of the string to replace: name more of its surroundings, or set replace_all.`,
    );
  }
  const after = parts.join(newText);
  await writeFile(path, after);
  return {
    path: relative(await realpath(project), path),
    created: false,
    ...countLineChanges(before, after),
  };
}

/** An expression of the agent's may backtrack for ever, and no timer of this thread would ever fire. */
function limitSearch() {
  const refusal = JSON.stringify({ refusal: 'the search took too long: use a simpler expression' });
  const code = `setTimeout(() => {
    require('node:fs').writeSync(1, ${JSON.stringify(refusal)});
    process.kill(process.pid, 'SIGKILL');
  }, ${MAX_SEARCH_MS})`;
  new Worker(code, { eval: true, execArgv: [] }).unref();
}

/** @param {{ path?: unknown, matches?: string | undefined }} request `matches`: an expression over paths relative to `path` */
async function findFiles({ path = '.', matches }) {
  const base = await realpath(project);
  const directory = await inProject(path);
  if ((await stat(directory).catch(() => undefined))?.isFile()) return [relative(base, directory)];
  const pattern = matches === undefined ? undefined : new RegExp(matches);
  const all = await listFiles(directory, MAX_FOUND).catch(() => {
    throw new Refusal('Directory does not exist.');
  });
  const found = await Promise.all(
    all
      .filter((file) => pattern?.test(relative(directory, file)) ?? true)
      .map(async (file) => ({
        path: relative(base, file),
        changed: (await stat(file).catch(() => undefined))?.mtimeMs ?? 0,
      })),
  );
  return found.sort((a, b) => b.changed - a.changed || (a.path < b.path ? -1 : 1)).map((file) => file.path);
}

/**
 * @param {{ pattern: string, path?: unknown, matches?: string, ignoreCase?: boolean, mode: string,
 *   before?: number, after?: number, limit?: number }} request
 */
async function searchFiles({ pattern, path, matches, ignoreCase, mode, before = 0, after = 0, limit = 250 }) {
  let expression;
  try {
    expression = new RegExp(pattern, ignoreCase ? 'i' : '');
  } catch {
    throw new Refusal('pattern is no regular expression');
  }
  const shown = [];
  for (const file of (await findFiles({ path, matches })).sort()) {
    if (shown.length >= limit) break;
    const content = await readText(join(project, file)).catch(() => '');
    const lines = content.split('\n');
    const hits = lines.flatMap((line, index) => (expression.test(line) ? [index] : []));
    if (hits.length === 0) continue;
    if (mode === 'content') {
      const wanted = new Set(
        hits.flatMap((hit) => Array.from({ length: before + after + 1 }, (_, step) => hit - before + step)),
      );
      for (const [index, line] of lines.entries()) {
        if (wanted.has(index)) shown.push(`${file}:${index + 1}:${line.slice(0, MAX_LINE)}`);
      }
    } else shown.push(mode === 'count' ? `${file}:${hits.length}` : file);
  }
  return shown.slice(0, limit).join('\n').slice(0, MAX_READ);
}

/** @param {{ most: number, mostBytes: number }} request */
async function fingerprints({ most, mostBytes }) {
  const found = [];
  for (const path of await listFiles(project, most)) {
    const known = await fingerprint(path, mostBytes);
    if (known) found.push({ path: relative(project, path), ...known });
  }
  return found;
}

/**
 * As much of these files as one answer has room for, the first of them from `offset` on: what of each, and the bytes.
 * @param {{ paths: string[], offset: number, mostBytes: number }} request
 */
async function fetchFiles({ paths, offset, mostBytes }) {
  /** @type {{ length: number, ends: boolean, isThere: boolean }[]} */
  const pieces = [];
  const parts = [];
  let room = PAGE;
  for (const given of paths) {
    const path = await inProject(given).catch(() => undefined);
    const file = path && (await openFile(path));
    if (!file) {
      pieces.push({ length: 0, ends: true, isThere: false });
      continue;
    }
    try {
      const from = pieces.length === 0 ? offset : 0;
      const isThere = (await file.stat()).size <= mostBytes;
      const { buffer, bytesRead } = await file.read(Buffer.alloc(room), 0, isThere ? room : 0, from);
      const ends = !isThere || bytesRead < room;
      pieces.push({ length: bytesRead, ends, isThere });
      parts.push(buffer.subarray(0, bytesRead));
      room -= bytesRead;
      if (!ends) break;
    } finally {
      await file.close();
    }
  }
  return { pieces, gzip: gzipSync(Buffer.concat(parts)).toString('base64') };
}

/** @param {{ file: string, port?: number }} request */
async function preview({ file, port }) {
  const path = await inProject(file);
  const content = await readText(path).catch(() => undefined);
  return { content: content?.slice(0, 16_384), serving: port !== undefined && (await answers(port)) };
}

/** @param {number} port @returns {Promise<boolean>} */
function answers(port) {
  return new Promise((done) => {
    const request = get({ host: '127.0.0.1', port, path: '/', timeout: 3_000 }, (response) => {
      done((response.statusCode ?? 500) < 500);
      request.destroy();
    });
    request.on('timeout', () => request.destroy(new Error('no answer'))).on('error', () => done(false));
  });
}

/** @param {string} name */
function transcriptFile(name) {
  if (!/^[\w-]{1,100}$/.test(name)) throw new Refusal('that is no name of a transcript');
  return join(home, 'transcripts', `${name}.jsonl`);
}

/** @param {{ name: string, offset: number }} request */
async function loadTranscript({ name, offset }) {
  const file = await open(transcriptFile(name)).catch(() => undefined);
  if (!file) return { gzip: '', next: null };
  try {
    const { size } = await file.stat();
    const length = Math.max(0, Math.min(PAGE, size - offset));
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
    const next = offset + bytesRead;
    const gzip = gzipSync(buffer.subarray(0, bytesRead)).toString('base64');
    return { gzip, next: next < size ? next : null };
  } finally {
    await file.close();
  }
}

/** @param {{ name: string, lines: string }} request */
async function appendTranscript({ name, lines }) {
  const file = transcriptFile(name);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await appendFile(file, lines);
}
