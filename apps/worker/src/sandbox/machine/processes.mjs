import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

// Runs in the worker and, as part of the program in program.mjs, on a remote machine: Node's own modules only.

/** @typedef {{ pid: number, parent: number, environment: string }} ProcessEntry */

/**
 * The processes that carry the mark, and all that descend from one.
 * @param {string} mark
 * @returns {Promise<number[]>}
 */
export async function findProcesses(mark) {
  return marked(await processes(), mark);
}

/**
 * Kills every process that carries the mark and all that descend from one, until none is left. A process group
 * would not do: the agent runs each shell command in a group of its own.
 * @param {string} mark
 */
export async function endProcesses(mark) {
  for (let round = 0; ; round++) {
    const pids = await findProcesses(mark);
    if (pids.length === 0) return;
    if (round === 100) throw new Error(`${pids.length} processes of a sandbox cannot be ended`);
    for (const pid of pids) kill(pid);
    // A killed process stays in the table until its parent has heard of it.
    await sleep(round < 10 ? 5 : 50);
  }
}

/** @param {ProcessEntry[]} table @param {string} mark */
function marked(table, mark) {
  // Every process carries the empty text.
  if (!/^\w+=/.test(mark)) throw new Error('a mark is a variable: NAME=value');
  const found = new Set(table.filter((entry) => entry.environment.includes(mark)).map(({ pid }) => pid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of table) if (found.has(parent)) found.add(pid);
  }
  found.delete(process.pid);
  return [...found];
}

/** @returns {Promise<ProcessEntry[]>} */
async function processes() {
  if (process.platform !== 'linux') return processesByPs();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const table = await Promise.all(
    pids.map(async (pid) => {
      // Gone meanwhile, or another user's: neither is ours.
      const read = (/** @type {string} */ file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
      const [stat, environment] = await Promise.all([read('stat'), read('environ')]);
      // The name, in parentheses, may hold anything; state and parent follow the last one.
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return { pid: Number(pid), parent: Number(parent), environment, zombie: state === 'Z' };
    }),
  );
  return table.filter((entry) => !entry.zombie);
}

/** @returns {Promise<ProcessEntry[]>} */
async function processesByPs() {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-E', '-ww', '-o', 'pid=,ppid=,command='], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s(.*)$/.exec(line);
    return match ? [{ pid: Number(match[1]), parent: Number(match[2]), environment: match[3] ?? '' }] : [];
  });
}

/** @param {number} pid */
function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended by itself.
  }
}
