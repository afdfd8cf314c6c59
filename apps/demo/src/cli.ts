import { once } from 'node:events';
import { beQuiet, CommandError, databaseIsGiven, program, runCommand, say } from '@mobvibe/cli';
import { showSummary, type WalkSummary, walk } from './walk.ts';

const cli = program(
  'demo',
  'The whole walk: local stack, migrations, sample data, a prompt, a worker, its events.',
)
  .option('--prompt <text>', 'what to build', 'A notes app with a list, and a button that adds a note')
  .option('--data <directory>', 'where the agent works (default: .local/worker)')
  .option('--watch', 'keep stack, worker and page running until Ctrl-C')
  .option('--json', 'print the summary as JSON on stdout')
  .option('--allow-remote', 'work on a database that is not on this machine')
  .action(
    async (options: { prompt: string; data?: string; json?: true; watch?: true; allowRemote?: true }) => {
      if (options.json) beQuiet();
      const interrupted = new AbortController();
      const interrupt = () =>
        interrupted.abort(
          new CommandError('interrupted', 'pnpm demo starts again where this ended', { exitCode: 130 }),
        );
      process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
      const { signal } = interrupted;
      const print = (summary: WalkSummary) =>
        process.stdout.write(options.json ? `${JSON.stringify(summary)}\n` : `${showSummary(summary)}\n`);
      const linger = async (summary: WalkSummary) => {
        print(summary);
        say(`\nEverything keeps running until Ctrl-C. ${summary.page ? `The page: ${summary.page}` : ''}`);
        if (!signal.aborted) await once(signal, 'abort');
      };
      const summary = await walk({
        prompt: options.prompt,
        data: options.data,
        allowRemote: Boolean(options.allowRemote),
        signal,
        linger: options.watch && linger,
      }).catch((error) => {
        // Whatever the interruption broke off, it is the interruption that is to be told.
        signal.throwIfAborted();
        throw error;
      });
      if (options.watch) return;
      print(summary);
      if (!databaseIsGiven())
        say('The local stack keeps running: pnpm local status shows it, pnpm local stop ends it.');
      if (summary.job.status !== 'completed') {
        throw new CommandError(
          `the job ended as ${summary.job.status}`,
          'pnpm worker run --log-level debug shows why',
        );
      }
    },
  );

await runCommand(cli);
// All of ours is closed by now, but realtime-js leaves a timer of ten seconds behind.
process.exit();
