import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { step } from '@mobvibe/cli';
import { groupOf, ratioCheck } from '../../core/group.ts';
import { interleave } from '../../core/interleave.ts';
import type { Group } from '../../core/result.ts';
import { createTally } from '../contenders/contender.ts';
import type { FromProcess, ToProcess } from './claiming-process.ts';
import type { Bench } from './part.ts';

const BATCH = 100;

/** Our throughput with several worker processes on one queue. */
export async function measureProcesses({ run, scale, ours }: Bench): Promise<Group[]> {
  const processes: ClaimingProcess[] = [];
  try {
    const most = Math.max(...scale.processes);
    const title = `no-op jobs, several processes, in batches of ${BATCH}`;
    const series = await step(title, async (progress) => {
      for (let index = 0; index < most; index++) processes.push(await startProcess(ours.url));
      const contenders = scale.processes.map((count) => ({
        name: count === 1 ? '1 process' : `${count} processes`,
        slice: async () => {
          const jobs = scale.jobsOf(BATCH);
          await ours.fill(jobs);
          return [(jobs * 1000) / (await drainWith(processes.slice(0, count), jobs))];
        },
      }));
      return interleave(contenders, { ...run, progress });
    });
    const [one, ...more] = series;
    return [groupOf(title, 'per second', series, one ? more.map((many) => ratioCheck(many, one)) : [])];
  } finally {
    await Promise.all(processes.map(({ end }) => end()));
  }
}

interface ClaimingProcess {
  child: ChildProcess;
  say(message: ToProcess): void;
  end(): Promise<unknown>;
}

async function startProcess(url: string): Promise<ClaimingProcess> {
  const child = fork(fileURLToPath(new URL('claiming-process.ts', import.meta.url)), {
    execArgv: ['--import', import.meta.resolve('tsx')],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit');
  const say = (message: ToProcess) => child.send(message);
  say({ connect: url });
  const [first] = await Promise.race([once(child, 'message'), ended]);
  if (first !== 'ready') throw new Error('a claiming process ended before it began');
  return {
    child,
    say,
    end: () => {
      // It ends when nobody talks to it any more.
      if (child.connected) child.disconnect();
      return ended;
    },
  };
}

/** @returns ms until all jobs have ended, in whichever process. */
async function drainWith(processes: ClaimingProcess[], jobs: number): Promise<number> {
  const tally = createTally('ours');
  const started = performance.now();
  let left = jobs;
  let ended = started;
  await Promise.all(
    processes.map(
      ({ child, say }) =>
        new Promise<void>((resolve, reject) => {
          const leave = () => {
            child.off('message', hear).off('exit', gone);
          };
          const gone = () => {
            leave();
            reject(new Error('a claiming process ended'));
          };
          const hear = (message: FromProcess) => {
            if (message === 'ready') return;
            if ('ids' in message) {
              leave();
              try {
                for (const id of message.ids) tally.ran(id);
                resolve();
              } catch (error) {
                reject(error);
              }
              return;
            }
            left -= message.ended;
            if (left > 0) return;
            ended = performance.now();
            for (const each of processes) each.say('stop');
          };
          child.on('message', hear).on('exit', gone);
          say({ batch: BATCH });
        }),
    ),
  );
  tally.assertRan(jobs);
  return ended - started;
}
