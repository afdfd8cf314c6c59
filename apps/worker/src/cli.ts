#!/usr/bin/env node
import { program, runCommand } from '@mobvibe/cli';
import { addCancel } from './commands/cancel.ts';
import { addMaintain } from './commands/maintain.ts';
import { addRequeue } from './commands/requeue.ts';
import { addRun } from './commands/run.ts';
import { addStatus } from './commands/status.ts';

const worker = program('worker', 'Claims coding jobs, runs the agent on them, streams its events');
for (const add of [addRun, addStatus, addRequeue, addCancel, addMaintain]) add(worker);
await runCommand(worker, process.argv.length > 2 ? process.argv : [...process.argv, '--help']);
