import { program, runCommand } from '@mobvibe/cli';
import { addBenchmark } from './core/command.ts';
import { queue } from './queue/benchmark.ts';
import { realtime } from './realtime/benchmark.ts';
import { rls } from './rls/benchmark.ts';

const cli = program('bench', 'Measures contenders side by side, against the targets.');
for (const benchmark of [rls, queue, realtime]) addBenchmark(cli, benchmark);
await runCommand(cli, process.argv.length > 2 ? process.argv : [...process.argv, '--help']);
