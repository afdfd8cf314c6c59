import type {
  CodingJob,
  CodingSession,
  JobAttempt,
  JobStatus,
  Project,
  SessionEvent,
  User,
} from '@mobvibe/db';
import { stableId, timeOrderedId } from './identity.ts';
import type { NamedDataSet } from './options.ts';
import { type Identity, join, noRows, type Rows } from './rows.ts';
import {
  type Ago,
  type AttemptScenario,
  type JobScenario,
  type ProjectScenario,
  type SessionScenario,
  seconds,
  type UserScenario,
} from './scenario.ts';
import { sessionTtl } from './tier-limits.ts';
import { backoff, LEASE, lengthOfAttempt, SWEEP } from './times.ts';
import { workerId } from './workers.ts';

const INSTANCE_ID = '00000000-0000-0000-0000-000000000000';
const HEARTBEAT: Ago = seconds(4);

/** What every row of one user needs to know. */
interface Context {
  dataSet: NamedDataSet;
  scenario: UserScenario;
  userId: string;
  at(ago: Ago): Date;
  /** An id by the user's key and the path below it. */
  id(path: string, createdAt: Date): string;
}

export const userIdOf = (dataSet: NamedDataSet, key: string): string => stableId(dataSet, `users/${key}`);

/** Nobody gets mail there: example.com is reserved, its subdomains included. */
export const emailOf = ({ name }: NamedDataSet, { key, isAnonymous }: UserScenario): string | null =>
  isAnonymous ? null : `${key}@${name}.example.com`;

/** The rows that a user's scenario leaves behind in every table, by the rules of the queue's SQL functions. */
export function rowsOf(dataSet: NamedDataSet, scenario: UserScenario, encryptedPassword: string): Rows {
  const userId = userIdOf(dataSet, scenario.key);
  const context: Context = {
    dataSet,
    scenario,
    userId,
    at: (ago) => new Date(dataSet.now.getTime() - ago),
    id: (path, createdAt) => timeOrderedId(dataSet, `users/${scenario.key}/${path}`, createdAt),
  };
  const user = userRow(context, encryptedPassword);
  const below = join(scenario.projects.map((project) => projectRows(context, project)));
  return {
    ...below,
    users: [user],
    identities: scenario.isAnonymous ? [] : [identityRow(context, user)],
    profiles: [profileRow(context, user, below.jobs)],
  };
}

function userRow({ dataSet, scenario, userId, at }: Context, encryptedPassword: string): User {
  const { isAnonymous = false, displayName, avatarUrl, joined, lastSignIn } = scenario;
  return {
    id: userId,
    instanceId: INSTANCE_ID,
    aud: 'authenticated',
    role: 'authenticated',
    email: emailOf(dataSet, scenario),
    encryptedPassword: isAnonymous ? '' : encryptedPassword,
    emailConfirmedAt: isAnonymous ? null : at(joined - seconds(40)),
    // Supabase Auth fails to sign in a user whose tokens are NULL.
    confirmationToken: '',
    recoveryToken: '',
    emailChangeTokenNew: '',
    emailChange: '',
    emailChangeTokenCurrent: '',
    phoneChange: '',
    phoneChangeToken: '',
    reauthenticationToken: '',
    rawAppMetaData: isAnonymous ? {} : { provider: 'email', providers: ['email'] },
    rawUserMetaData: {
      ...(displayName !== null && { display_name: displayName }),
      ...(avatarUrl !== undefined && { avatar_url: avatarUrl }),
    },
    lastSignInAt: lastSignIn === null ? null : at(lastSignIn),
    createdAt: at(joined),
    updatedAt: at(lastSignIn ?? joined - seconds(40)),
    isSsoUser: false,
    isAnonymous,
    deletedAt: null,
  };
}

function identityRow({ dataSet, scenario, userId, at }: Context, user: User): Identity {
  return {
    id: stableId(dataSet, `users/${scenario.key}/identity`),
    userId,
    providerId: userId,
    provider: 'email',
    identityData: { sub: userId, email: user.email ?? '', email_verified: true, phone_verified: false },
    lastSignInAt: user.lastSignInAt,
    createdAt: at(scenario.joined),
    updatedAt: user.updatedAt ?? at(scenario.joined),
  };
}

function profileRow(
  { dataSet, scenario, userId, at }: Context,
  user: User,
  jobs: CodingJob[],
): Rows['profiles'][0] {
  const periodStart = startOfMonth(dataSet.now);
  const inPeriod = (time: Date | null) => time !== null && time >= periodStart;
  return {
    id: userId,
    email: user.email,
    displayName: scenario.displayName,
    avatarUrl: scenario.avatarUrl ?? null,
    tier: scenario.tier,
    stripeCustomerId: scenario.tier === 'free' ? null : `cus_seed_${dataSet.name}_${scenario.key}`,
    usagePeriodStart: periodStart,
    jobsUsed: jobs.filter((job) => inPeriod(job.createdAt)).length,
    tokensUsed: sum(jobs.filter((job) => inPeriod(job.completedAt)).map(tokensOf)),
    createdAt: at(scenario.joined),
  };
}

function projectRows(context: Context, scenario: ProjectScenario): Rows {
  const { userId, at } = context;
  const createdAt = at(scenario.created);
  const path = `projects/${scenario.key}`;
  const project: Project = {
    id: context.id(path, createdAt),
    userId,
    name: scenario.name,
    description: scenario.description ?? null,
    template: scenario.template ?? 'blank',
    status: scenario.archived === undefined ? 'active' : 'archived',
    expoConfig: scenario.expoConfig ?? {},
    sandboxId: null,
    deletedAt: scenario.deleted === undefined ? null : at(scenario.deleted),
    createdAt,
    updatedAt: at(Math.min(scenario.created, scenario.archived ?? Infinity, scenario.deleted ?? Infinity)),
  };
  const sessions = scenario.sessions.map((session) => sessionRows(context, project, path, session));
  return { ...join(sessions), projects: [project] };
}

function sessionRows(context: Context, project: Project, parent: string, scenario: SessionScenario): Rows {
  const { userId, at } = context;
  const createdAt = at(scenario.created);
  const path = `${parent}/sessions/${scenario.key}`;
  const id = context.id(path, createdAt);
  const runs = scenario.jobs.map((job, index) => jobRows(context, id, `${path}/jobs/${index + 1}`, job));
  const { jobs, attempts, events } = join(runs);
  events.sort((one, other) => one.createdAt.getTime() - other.createdAt.getTime());
  // In place: there are far more events than anything else.
  for (const [index, event] of events.entries()) event.seq = BigInt(index + 1);

  const startedAt = earliest(attempts.map((attempt) => attempt.startedAt));
  const lastActivityAt = latest([
    createdAt,
    ...attempts.map((attempt) => attempt.startedAt),
    ...events.slice(-1).map((event) => event.createdAt),
  ]);
  const expiresAt = startedAt && later(lastActivityAt, sessionTtl[context.scenario.tier]);
  const endedAt = endOf(scenario, context, { lastActivityAt, expiresAt });
  const deletedAt = scenario.deleted === undefined ? null : at(scenario.deleted);
  const previews = events.filter((event) => event.type === 'preview_ready');
  const preview = previews.at(-1)?.payload as { url: string } | undefined;

  const session: CodingSession = {
    id,
    userId,
    projectId: project.id,
    status: scenario.status,
    sandboxId: startedAt && `seed:${id}`,
    easUpdateUrl:
      preview && scenario.status === 'completed' ? `https://updates.example.com/${project.id}/${id}` : null,
    webviewUrl: preview?.url ?? null,
    storagePrefix: startedAt && `${userId}/${project.id}/${id}/`,
    metadata: startedAt ? metadataOf(context, path, startedAt, jobs, events) : {},
    expiresAt,
    lastActivityAt,
    startedAt,
    endedAt,
    lastEventSeq: BigInt(events.length),
    deletedAt,
    archivedAt: null,
    createdAt,
    updatedAt: latest([lastActivityAt, ...given(endedAt), ...given(deletedAt)]),
  };
  // Of an attempt that still runs the job itself is the record.
  const ended = attempts.filter((attempt) => attempt.endedAt);
  return { ...noRows(), sessions: [session], jobs, attempts: ended, events };
}

function endOf(
  { status, ended, created }: SessionScenario,
  { at }: Context,
  { lastActivityAt, expiresAt }: { lastActivityAt: Date; expiresAt: Date | null },
): Date | null {
  if (status === 'pending' || status === 'active') return null;
  if (ended !== undefined) return at(ended);
  if (status === 'expired') return later(expiresAt ?? at(created), SWEEP);
  return later(lastActivityAt, seconds(1));
}

// As the worker leaves it there.
function metadataOf(
  context: Context,
  path: string,
  startedAt: Date,
  jobs: CodingJob[],
  events: SessionEvent[],
): CodingSession['metadata'] {
  const changed = events.filter((event) => event.type === 'file_change');
  const files = new Set(changed.map((event) => (event.payload as { path: string }).path));
  // Added as whole hundredths of a cent: sums of fractions show their binary tails.
  const cost = sum(jobs.map((job) => BigInt(Math.round((resultOf(job)?.cost_usd ?? 0) * 10_000))));
  return {
    agent_session_id: context.id(`${path}/conversation`, startedAt),
    agent_model_api: 'anthropic',
    agent_cost_usd: Number(cost) / 10_000,
    files: [...files].sort(),
  };
}

function jobRows(context: Context, sessionId: string, path: string, scenario: JobScenario): Rows {
  const { dataSet, userId, at } = context;
  const createdAt = at(scenario.created);
  const id = context.id(path, createdAt);
  const cancelRequestedAt = scenario.cancelAsked === undefined ? null : at(scenario.cancelAsked);

  const attempts = scenario.attempts.map((attempt, index): JobAttempt => {
    const startedAt = at(attempt.started);
    const endedAt = attempt.outcome === 'running' ? null : later(startedAt, lengthOfAttempt(attempt));
    return {
      jobId: id,
      userId,
      attempt: index + 1,
      workerId: workerId(dataSet, attempt.worker),
      startedAt,
      endedAt,
      outcome: attempt.outcome === 'running' ? null : attempt.outcome,
      errorCode: attempt.error?.code ?? null,
      error: attempt.error?.message ?? null,
      createdAt: startedAt,
      updatedAt: endedAt ?? startedAt,
    };
  });

  const events = scenario.attempts.flatMap((attempt) => {
    let ago = attempt.started;
    return attempt.events.map(({ after, type, payload }): SessionEvent => {
      ago -= after;
      return { sessionId, userId, seq: 0n, createdAt: at(ago), jobId: id, type, payload };
    });
  });

  const last = attempts.at(-1);
  const outcome = scenario.attempts.at(-1)?.outcome;
  // A release gives the claim back as if it had not been.
  const claim = outcome === 'released' ? undefined : last;
  const status = statusOf(outcome, cancelRequestedAt !== null);
  const isRunning = status === 'processing';
  const completed = events.find((event) => event.type === 'completed');
  const willRetry = outcome === 'retried' || outcome === 'expired';

  const job: CodingJob = {
    id,
    userId,
    sessionId,
    prompt: scenario.prompt,
    status,
    priority: scenario.priority ?? 0,
    attempt: outcome === 'released' ? attempts.length - 1 : attempts.length,
    maxAttempts: scenario.maxAttempts ?? 3,
    availableAt: availableAt(createdAt, scenario.delay ?? 0, attempts),
    claimedAt: claim?.startedAt ?? null,
    workerId: claim?.workerId ?? null,
    leaseExpiresAt: isRunning ? later(at(HEARTBEAT), LEASE) : null,
    cancelRequestedAt,
    idempotencyKey: scenario.idempotencyKey ?? null,
    result: completed?.payload ?? null,
    errorCode: claim?.errorCode ?? null,
    errorMessage: claim?.error ?? null,
    completedAt: status === 'pending' || isRunning ? null : (last?.endedAt ?? cancelRequestedAt),
    createdAt,
    updatedAt: latest([
      createdAt,
      ...given(cancelRequestedAt),
      ...given(last?.endedAt ?? null),
      ...(isRunning ? [at(HEARTBEAT)] : []),
    ]),
  };
  if (willRetry && job.attempt >= job.maxAttempts)
    throw new Error(`${path} cannot be retried: no attempt is left`);
  return { ...noRows(), jobs: [job], attempts, events };
}

function statusOf(outcome: AttemptScenario['outcome'] | undefined, cancelAsked: boolean): JobStatus {
  switch (outcome) {
    case undefined:
      return cancelAsked ? 'cancelled' : 'pending';
    case 'running':
      return 'processing';
    case 'retried':
    case 'expired':
    case 'released':
      return 'pending';
    default:
      return outcome;
  }
}

// The delay at first, then the backoff of the last retry.
function availableAt(createdAt: Date, delay: number, attempts: JobAttempt[]): Date {
  const retried = attempts.filter(({ outcome }) => outcome === 'retried' || outcome === 'expired').at(-1);
  if (!retried?.endedAt) return later(createdAt, delay);
  return later(retried.endedAt, backoff(retried.attempt));
}

interface Result {
  usage: { input_tokens: number; output_tokens: number };
  cost_usd: number;
}

const resultOf = (job: CodingJob): Result | null => job.result as Result | null;

function tokensOf(job: CodingJob): bigint {
  const { input_tokens = 0, output_tokens = 0 } = resultOf(job)?.usage ?? {};
  return BigInt(input_tokens + output_tokens);
}

const startOfMonth = (time: Date): Date => new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), 1));
const later = (time: Date, milliseconds: number): Date => new Date(time.getTime() + milliseconds);
const latest = (times: Date[]): Date => new Date(Math.max(...times.map(Number)));
const earliest = (times: Date[]): Date | null =>
  times.length > 0 ? new Date(Math.min(...times.map(Number))) : null;
const given = <T>(value: T | null): T[] => (value === null ? [] : [value]);
const sum = (values: bigint[]): bigint => values.reduce((total, value) => total + value, 0n);
