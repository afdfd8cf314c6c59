#!/usr/bin/env node
import { program, runCommand } from '@mobvibe/cli';
import { addArchive } from './commands/archive.ts';
import { addArchives } from './commands/archives.ts';
import { addCancel } from './commands/cancel.ts';
import { addMaintain } from './commands/maintain.ts';
import { addRequeue } from './commands/requeue.ts';
import { addRestore } from './commands/restore.ts';
import { addRun } from './commands/run.ts';
import { addSlowQueries } from './commands/slow-queries.ts';
import { addStats } from './commands/stats.ts';
import { addStatus } from './commands/status.ts';

const worker = program('worker', 'Claims coding jobs, runs the agent on them, streams its events');
const commands = [
  addRun,
  addStatus,
  addStats,
  addSlowQueries,
  addRequeue,
  addCancel,
  addMaintain,
  addArchive,
  addRestore,
  addArchives,
];
for (const add of commands) add(worker);
await runCommand(worker, process.argv.length > 2 ? process.argv : [...process.argv, '--help']);
