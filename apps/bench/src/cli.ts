import { program, runCommand } from '@mobvibe/cli';
import { addBenchmark } from './core/command.ts';
import { queries } from './queries/benchmark.ts';
import { queue } from './queue/benchmark.ts';
import { realtime } from './realtime/benchmark.ts';
import { rls } from './rls/benchmark.ts';
import { seeding } from './seed/benchmark.ts';

const cli = program('bench', 'Measures contenders side by side, against the targets.');
for (const benchmark of [rls, queries, queue, realtime, seeding]) addBenchmark(cli, benchmark);
await runCommand(cli, process.argv.length > 2 ? process.argv : [...process.argv, '--help']);
// All of ours is closed by now, but realtime-js leaves timers of up to a minute behind.
process.exit();
