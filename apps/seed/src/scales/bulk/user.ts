import type { SessionStatus } from '@mobvibe/db';
import { appNames, details, firstNames, lastNames, templates, wishes } from '../../content/phrases.ts';
import { agentAtWork } from '../../content/work.ts';
import type { DataSet } from '../../options.ts';
import { type Dice, diceFor, shares } from '../../random.ts';
import {
  type Ago,
  days,
  hours,
  minutes,
  type ProjectScenario,
  type SessionScenario,
  seconds,
  type UserScenario,
} from '../../scenario.ts';
import { sessionTtl } from '../../tier-limits.ts';
import { type JobTale, jobTale, type Teller, told } from './job.ts';
import type { UserPlan } from './plan.ts';

/** What everything that is over keeps away from the present. */
const MARGIN = minutes(5);

/** What happened to a user who has so much of everything. */
export function userScenario(dataSet: DataSet, plan: UserPlan, span: number): UserScenario {
  const dice = diceFor(dataSet, `users/${plan.key}`);
  const userSince = dice.int(Math.floor(span / 20), span);
  const sessions = sessionsOf({ dice, agent: agentAtWork(dice), tier: plan.tier }, plan, userSince);
  const projects = projectsOf(dice, plan, sessions, userSince);
  const joined =
    latest([userSince, ...projects.map(({ created }) => created)]) + dice.int(minutes(2), days(1));
  const lastSession = sessions.at(-1);
  return {
    key: plan.key,
    tier: plan.tier,
    displayName: dice.perMille(40) ? null : `${dice.pick(firstNames)} ${dice.pick(lastNames)}`,
    ...(dice.perMille(300) && { avatarUrl: `https://example.com/avatars/${plan.key}.png` }),
    joined,
    lastSignIn: lastSession ? lastSession.created + minutes(1) : dice.perMille(300) ? null : joined,
    projects,
  };
}

/** A session whose place among the projects is still open; `over` is when nothing of it was left to happen. */
type Session = SessionScenario & { over: Ago };

/** The sessions of a user, oldest first; the last one of some users is still open. */
function sessionsOf(teller: Teller, { sessions, jobs, events }: UserPlan, userSince: Ago): Session[] {
  const { dice } = teller;
  const counts = Array.from({ length: sessions }, (): number => 0);
  const starts = counts.map(() => dice.int(0, userSince)).sort((one, other) => other - one);
  for (let job = 0; job < jobs; job++) {
    // A job for each session; the rest goes to some rather than to others: long conversations.
    const to = job < sessions ? job : Math.min(dice.int(0, sessions - 1), dice.int(0, sessions - 1));
    counts[to] = (counts[to] ?? 0) + 1;
  }
  // A few jobs are cancelled before they begin. Of the others each tells something, and some tell a lot.
  const weights = Array.from({ length: jobs }, () => (dice.perMille(30) ? 0 : 600 + dice.skewed()));
  if (jobs > 0 && !weights.some((weight) => weight > 0)) weights[0] = 1;

  const isOpen = dice.perMille(150);
  const waits = isOpen && dice.perMille(400);
  // What waits has told nothing yet; its events are told elsewhere, where there is another job to tell them.
  if (waits && weights.length > 1 && weights.slice(0, -1).some((weight) => weight > 0))
    weights[weights.length - 1] = 0;
  const shared = shares(events, weights);
  let next = 0;
  return counts.map((count, index) => {
    const ofSession = shared.slice(next, next + count);
    next += count;
    const key = `s${index + 1}`;
    if (isOpen && index === counts.length - 1) return openSession(teller, key, ofSession);
    return endedSession(teller, key, ofSession, starts[index] ?? 0);
  });
}

function endedSession(teller: Teller, key: string, events: number[], start: Ago): Session {
  const { dice, tier } = teller;
  const { jobs, length } = told(teller, events);
  const began = jobs.some(({ attempts }) => attempts.length > 0);
  const status = endOf(dice, jobs, began);
  const ttl = status === 'expired' ? sessionTtl[tier] : 0;
  const created = Math.max(start, length + ttl + MARGIN);
  const over = created - length - ttl;
  return {
    key,
    created,
    status,
    // What expires ends when its time is over; everything else once its last job is told.
    ...(status !== 'expired' && { ended: over - seconds(2) }),
    ...(dice.perMille(20) && { deleted: dice.int(seconds(30), over - seconds(60)) }),
    jobs: jobs.map((job) => jobTale(job, created)),
    over: over - seconds(60),
  };
}

function endOf(dice: Dice, jobs: JobTale[], began: boolean): SessionStatus {
  if (!began) return 'cancelled';
  if (jobs.at(-1)?.attempts.at(-1)?.outcome === 'failed' && dice.perMille(600)) return 'failed';
  const what = dice.int(1, 100);
  return what <= 10 ? 'cancelled' : what <= 28 ? 'expired' : 'completed';
}

// Its last job runs, or waits, or all is done and the user looks at it.
function openSession(teller: Teller, key: string, events: number[]): Session {
  const { dice } = teller;
  const last = (events.at(-1) ?? 0) === 0 ? 'pending' : dice.perMille(700) ? 'running' : 'done';
  const { jobs, length } = told(teller, events, last);
  const began = jobs.some(({ attempts }) => attempts.length > 0);
  // Nothing happened for a moment, and less than what ends a session.
  const created = length + dice.int(seconds(8), last === 'running' ? seconds(20) : minutes(20));
  return {
    key,
    created,
    status: began ? 'active' : 'pending',
    jobs: jobs.map((job) => jobTale(job, created)),
    over: 0,
  };
}

/** The projects of a user with its sessions in them: some projects have most of them. */
function projectsOf(dice: Dice, plan: UserPlan, sessions: Session[], userSince: Ago): ProjectScenario[] {
  const ofProject = Array.from({ length: plan.projects }, (): Session[] => []);
  for (const session of sessions) {
    const to = Math.min(dice.int(0, plan.projects - 1), dice.int(0, plan.projects - 1));
    ofProject[to]?.push(session);
  }
  return ofProject.map((own, index) => {
    const created = latest([
      ...own.map((session) => session.created),
      ...(own.length > 0 ? [] : [userSince]),
    ]);
    const over = Math.min(created, ...own.map((session) => session.over));
    const project: ProjectScenario = {
      key: `p${index + 1}`,
      name: dice.pick(appNames),
      template: dice.pick(templates),
      ...(dice.perMille(600) && { description: `${dice.pick(wishes)} ${dice.pick(details)}` }),
      created: created + dice.int(seconds(20), minutes(10)),
      sessions: own,
    };
    if (over < hours(1)) return project;
    const since = dice.int(seconds(30), over - minutes(30));
    if (dice.perMille(40)) {
      return { ...project, deleted: since, sessions: own.map((session) => ({ ...session, deleted: since })) };
    }
    return dice.perMille(80) ? { ...project, archived: since } : project;
  });
}

const latest = (times: Ago[]): Ago => Math.max(...times);
