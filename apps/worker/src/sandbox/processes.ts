import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A variable in the environment of everything that a session's agent starts: it survives fork, exec and setsid. */
export const sessionMark = (sessionId: string) => `MOBVIBE_SANDBOX=${sessionId}`;

interface ProcessEntry {
  pid: number;
  parent: number;
  environment: string;
}

/** The processes that carry the mark, and all that descend from one. */
export async function findProcesses(mark: string): Promise<number[]> {
  return marked(await processes(), mark);
}

/**
 * Kills every process that carries the mark and all that descend from one, until none is left. A process group
 * would not do: the agent runs each shell command in a group of its own.
 */
export async function endProcesses(mark: string): Promise<void> {
  for (let round = 0; ; round++) {
    const pids = await findProcesses(mark);
    if (pids.length === 0) return;
    if (round === 100) throw new Error(`${pids.length} processes of a sandbox cannot be ended`);
    for (const pid of pids) kill(pid);
    // A killed process stays in the table until its parent has heard of it.
    await sleep(round < 10 ? 5 : 50);
  }
}

function marked(table: ProcessEntry[], mark: string): number[] {
  const found = new Set(table.filter((entry) => entry.environment.includes(mark)).map(({ pid }) => pid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent } of table) if (found.has(parent)) found.add(pid);
  }
  found.delete(process.pid);
  return [...found];
}

async function processes(): Promise<ProcessEntry[]> {
  if (process.platform !== 'linux') return processesByPs();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const table = await Promise.all(
    pids.map(async (pid) => {
      // Gone meanwhile, or another user's: neither is ours.
      const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
      const [stat, environment] = await Promise.all([read('stat'), read('environ')]);
      // The name, in parentheses, may hold anything; state and parent follow the last one.
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return { pid: Number(pid), parent: Number(parent), environment, zombie: state === 'Z' };
    }),
  );
  return table.filter((entry) => !entry.zombie);
}

async function processesByPs(): Promise<ProcessEntry[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-E', '-ww', '-o', 'pid=,ppid=,command='], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s(.*)$/.exec(line);
    return match ? [{ pid: Number(match[1]), parent: Number(match[2]), environment: match[3] ?? '' }] : [];
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended by itself.
  }
}
