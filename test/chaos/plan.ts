import { createRandom, type Random } from './random.ts';

/** How much of it. */
export interface Dose {
  jobs: number;
  /** Workers killed from outside; poison jobs kill more of them. */
  kills: number;
  /** Of the server. */
  restarts: number;
  workers: number;
  seed: number;
}

/** What a job tells the executor to do; it is the job's prompt. */
export interface Work {
  kind: 'plain' | 'update' | 'slow' | 'flaky' | 'refused' | 'failing' | 'loud' | 'poison';
  /** How many marks it leaves, each once. */
  marks: number;
  /** How long it takes, in milliseconds. */
  ms: number;
}

export interface PlannedJob {
  id: string;
  userId: string;
  sessionId: string;
  priority: number;
  work: Work;
}

export interface PlannedUser {
  id: string;
  tier: 'free' | 'pro' | 'team';
  projectId: string;
  /** Those open at first. */
  sessions: string[];
}

/** `worker`: which of them it strikes, by the number of its place. */
export type Fault =
  /** SIGKILL; another is started in its place at once. */
  | { name: 'kill'; worker: number }
  /** SIGSTOP until long after the leases have run out, then SIGCONT. */
  | { name: 'freeze'; worker: number }
  /** SIGTERM, as when a new version is rolled out. */
  | { name: 'shutdown'; worker: number }
  | { name: 'restart'; mode: RestartMode }
  /** The server ends every connection of the workers. */
  | { name: 'terminate' }
  /** The network ends every connection of one worker, and lets it make no other for a while. */
  | { name: 'cut'; worker: number }
  /** The connections of one worker stay open, and nothing comes through any more. */
  | { name: 'silence'; worker: number }
  /** Every packet of one worker comes late. */
  | { name: 'delay'; worker: number }
  /** Idle connections take every place that the server has, and the workers have just lost theirs. */
  | { name: 'fill' }
  /** A transaction keeps its old snapshot, so that no dead row can be cleaned up, until `release_snapshot`. */
  | { name: 'hold_snapshot' }
  | { name: 'release_snapshot' }
  /** Claims `limit` jobs on statistics that say the queue is empty, and gives them back. */
  | { name: 'overclaim'; limit: number };

/**
 * `fast` ends every connection in order; `immediate` is a crash of all processes, and what was not yet on disk is
 * gone; `crash` is that of one backend, after which the server starts over by itself.
 */
export type RestartMode = 'immediate' | 'fast' | 'crash';

/** What happens one after the other: users do this, then something breaks. */
export interface Step {
  jobs: PlannedJob[];
  /** Jobs whose users want them no more. */
  cancel: { userId: string; jobId: string }[];
  /** A session that its user ends, and the one opened instead. */
  replace?: undefined | { userId: string; projectId: string; ended: string; opened: string };
  /** How long the load is left alone before the fault. */
  pauseMs: number;
  fault: Fault;
}

export interface Plan {
  users: PlannedUser[];
  steps: Step[];
}

const TIERS = ['team', 'team', 'pro', 'free'] as const;
const SESSIONS = { team: 12, pro: 6, free: 3 };
const MOST_JOBS = { team: Number.POSITIVE_INFINITY, pro: 900, free: 45 };
const MOST_PRIORITY = { team: 20, pro: 10, free: 0 };
const RESTART_MODES: RestartMode[] = ['immediate', 'fast', 'crash'];

/** Which jobs, in which order, and what breaks when: the same for the same dose. */
export function makePlan(dose: Dose): Plan {
  const random = createRandom(dose.seed);
  const users = Array.from({ length: Math.max(8, Math.round(dose.jobs / 125)) }, (_, index): PlannedUser => {
    const tier = TIERS[index % TIERS.length] as PlannedUser['tier'];
    const sessions = Array.from({ length: SESSIONS[tier] }, random.uuid);
    return { id: random.uuid(), tier, projectId: random.uuid(), sessions };
  });
  const open = new Map(users.map((user) => [user, [...user.sessions]]));
  const enqueued = new Map(users.map((user) => [user, 0]));
  const faults = planFaults(dose, random);
  const poisoned = new Set(
    Array.from({ length: Math.max(1, Math.round(dose.jobs / 1_000)) }, (_, index) => index * 7 + 3),
  );
  let planned = 0;

  function planJob(): PlannedJob {
    const isPoison = poisoned.has(planned++);
    const candidates = users.filter((user) =>
      isPoison ? user.tier === 'team' : (enqueued.get(user) as number) < MOST_JOBS[user.tier],
    );
    const user = random.pick(candidates);
    enqueued.set(user, (enqueued.get(user) as number) + 1);
    const sessions = open.get(user) as string[];
    return {
      id: random.uuid(),
      userId: user.id,
      // The first session is never ended, so that a poison job comes to its own end.
      sessionId: isPoison ? (sessions[0] as string) : random.pick(sessions),
      priority: isPoison ? 20 : random.between(0, MOST_PRIORITY[user.tier]),
      work: isPoison ? { kind: 'poison', marks: 2, ms: 50 } : planWork(random),
    };
  }

  function planReplacement(): Step['replace'] {
    const user = random.pick(users);
    const sessions = open.get(user) as string[];
    const index = random.between(1, sessions.length - 1);
    const ended = sessions[index] as string;
    const opened = random.uuid();
    sessions[index] = opened;
    return { userId: user.id, projectId: user.projectId, ended, opened };
  }

  const steps = faults.map((fault, index): Step => {
    const share = (at: number) => Math.round((at * dose.jobs) / faults.length);
    const jobs = Array.from({ length: share(index + 1) - share(index) }, planJob);
    const unwanted = jobs.filter(({ work }) => work.kind !== 'poison' && random.chance(0.03));
    return {
      jobs,
      cancel: unwanted.map(({ id, userId }) => ({ userId, jobId: id })),
      ...(random.chance(0.3) && { replace: planReplacement() }),
      pauseMs: random.between(50, 500),
      fault,
    };
  });
  return { users, steps };
}

function planWork(random: Random): Work {
  const marks = random.between(1, 5);
  const short = { marks, ms: random.between(0, 60) };
  const share = random.next();
  if (share < 0.68) return { kind: 'plain', ...short };
  if (share < 0.8) return { kind: 'update', ...short };
  if (share < 0.88) return { kind: 'slow', marks: marks + 5, ms: random.between(300, 2_500) };
  if (share < 0.93) return { kind: 'flaky', ...short };
  if (share < 0.96) return { kind: 'refused', ...short };
  if (share < 0.97) return { kind: 'failing', ...short };
  return { kind: 'loud', marks: 150, ms: random.between(0, 100) };
}

function planFaults({ kills, restarts, workers }: Dose, random: Random): Fault[] {
  const worker = () => random.between(0, workers - 1);
  /** Only every second worker reaches the database by a route that can be broken. */
  const routed = () => 2 * random.between(0, Math.ceil(workers / 2) - 1);
  const several = (count: number, make: (index: number) => Fault) =>
    Array.from({ length: count }, (_, index) => make(index));
  const oneIn = (count: number) => Math.max(1, Math.round(kills / count));
  const faults = random.shuffle([
    ...several(kills, () => ({ name: 'kill', worker: worker() })),
    ...several(restarts, (index) => ({
      name: 'restart',
      mode: RESTART_MODES[index % RESTART_MODES.length] as RestartMode,
    })),
    ...several(Math.max(2, oneIn(5)), () => ({ name: 'freeze', worker: worker() })),
    ...several(oneIn(6), () => ({ name: 'shutdown', worker: worker() })),
    ...several(oneIn(8), () => ({ name: 'terminate' })),
    ...several(oneIn(8), () => ({ name: 'cut', worker: routed() })),
    ...several(oneIn(10), () => ({ name: 'silence', worker: routed() })),
    ...several(oneIn(10), () => ({ name: 'delay', worker: routed() })),
    ...several(oneIn(15), () => ({ name: 'fill' })),
    ...several(oneIn(6), () => ({ name: 'overclaim', limit: random.between(1, 5) })),
  ]);
  faults.splice(Math.round(faults.length / 3), 0, { name: 'hold_snapshot' });
  faults.splice(Math.round((faults.length * 2) / 3), 0, { name: 'release_snapshot' });
  return faults;
}
