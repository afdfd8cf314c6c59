import { beQuiet, CommandError, databaseIsGiven, program, runCommand, say } from '@mobvibe/cli';
import { showSummary, walk } from './walk.ts';

const cli = program(
  'demo',
  'The whole walk: local stack, migrations, sample data, a prompt, a worker, its events.',
)
  .option('--prompt <text>', 'what to build', 'A notes app with a list, and a button that adds a note')
  .option('--data <directory>', 'where the agent works (default: .local/worker)')
  .option('--json', 'print the summary as JSON on stdout')
  .option('--allow-remote', 'work on a database that is not on this machine')
  .action(async (options: { prompt: string; data?: string; json?: true; allowRemote?: true }) => {
    if (options.json) beQuiet();
    const interrupted = new AbortController();
    const interrupt = () =>
      interrupted.abort(
        new CommandError('interrupted', 'pnpm demo starts again where this ended', { exitCode: 130 }),
      );
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    const { signal } = interrupted;
    const summary = await walk({
      prompt: options.prompt,
      data: options.data,
      allowRemote: Boolean(options.allowRemote),
      signal,
    }).catch((error) => {
      // Whatever the interruption broke off, it is the interruption that is to be told.
      signal.throwIfAborted();
      throw error;
    });
    if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    else process.stdout.write(`${showSummary(summary)}\n`);
    if (!databaseIsGiven())
      say('The local stack keeps running: pnpm local status shows it, pnpm local stop ends it.');
    if (summary.job.status !== 'completed') {
      throw new CommandError(
        `the job ended as ${summary.job.status}`,
        'pnpm worker run --log-level debug shows why',
      );
    }
  });

await runCommand(cli);
