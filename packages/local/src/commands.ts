import {
  CommandError,
  databaseIsGiven,
  program,
  readEnvironmentFile,
  runCommand,
  say,
  step,
} from '@mobvibe/cli';
import { dotenvLines } from './environment.ts';
import { explained } from './files.ts';
import { parsePort } from './port.ts';
import { alreadyRuns, GIVEN, layoutOf, readRecord, runningServer } from './running.ts';
import { resetStack, type StackOptions, startStack, stopStack } from './stack.ts';

const STOPPED = 3;

/** Parses the arguments and runs what they ask for. */
export async function main(): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = () =>
    interrupted.abort(
      new CommandError('interrupted', 'start again; nothing is left half done', { exitCode: 130 }),
    );
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupt);

  const options = (directory: string | undefined): StackOptions => ({
    directory,
    progress: { step, say },
    signal: interrupted.signal,
  });

  const local = program(
    'local',
    'A local Postgres 17 with the Supabase platform (roles, auth, storage, realtime), without Docker.',
  ).addHelpText(
    'after',
    `
The server runs in the background until pnpm local stop. Commands find it by themselves when neither DATABASE_URL
nor DIRECT_URL is set, because start writes .local/env.`,
  );
  const directoryOption = [
    '--directory <dir>',
    'where data, log and env file are, instead of in .local',
  ] as const;
  const portOption = [
    '--port <number>',
    'listen there instead of on 54322 or the next free port',
    parsePort,
  ] as const;

  local
    .command('start')
    .description('start the server, or find it running; the first start makes the data')
    .option(...portOption)
    .option(...directoryOption)
    .option('--unless-given', 'do nothing when DATABASE_URL or DIRECT_URL names a database')
    .addHelpText(
      'after',
      `
Without --port a port that is taken is no error: the next free one (54332, 54342, ...) is taken and remembered.`,
    )
    .action(async ({ port, directory, unlessGiven }) => {
      if (unlessGiven && databaseIsGiven()) return say(GIVEN);
      const { already, ...server } = await startStack({ ...options(directory), port });
      say(already ? alreadyRuns(server) : `runs: ${server.url}`);
    });

  local
    .command('stop')
    .description('stop the server; its data stays')
    .option(...directoryOption)
    .action(async ({ directory }) => {
      if (!(await stopStack(options(directory)))) say('no server runs');
    });

  local
    .command('status')
    .description('say whether the server runs, and where everything is')
    .option('--json', 'as JSON')
    .option(...directoryOption)
    .addHelpText('after', `\nExit codes: 0 the server accepts connections, ${STOPPED} it does not.`)
    .action(async ({ json, directory }) => {
      const layout = layoutOf(directory);
      const running = await explained(layout.directory, () => runningServer(layout));
      if (!running?.ready) process.exitCode = STOPPED;
      const status = {
        state: running ? (running.ready ? 'running' : 'starting or stopping') : 'stopped',
        ...(running && {
          url: running.url,
          port: running.port,
          pid: running.pid,
          since: running.startedAt.toISOString(),
          environment: layout.environment,
        }),
        data: readRecord(layout)?.data,
        log: layout.log,
      };
      const lines = Object.entries(status).filter(([, value]) => value);
      const text = lines.map(([name, value]) => `${`${name}:`.padEnd(13)}${value}`).join('\n');
      console.log(json ? JSON.stringify(status, null, 2) : text);
    });

  local
    .command('reset')
    .description('delete all data and start anew')
    .option(...portOption)
    .option(...directoryOption)
    .action(async ({ port, directory }) => {
      const { url } = await resetStack({ ...options(directory), port });
      say(`runs, empty: ${url}`);
    });

  local
    .command('env')
    .description('print the variables of the running server, as in a .env file')
    .option('--json', 'as JSON')
    .option(...directoryOption)
    .addHelpText('after', `\nExit codes: 0, or ${STOPPED} when the server does not run.`)
    .action(async ({ json, directory }) => {
      const layout = layoutOf(directory);
      if (!(await explained(layout.directory, () => runningServer(layout)))?.ready) {
        throw new CommandError('the server does not run', 'pnpm local start', { exitCode: STOPPED });
      }
      const variables = readEnvironmentFile(layout.environment);
      console.log(json ? JSON.stringify(variables, null, 2) : dotenvLines(variables));
    });

  await runCommand(local);
}
