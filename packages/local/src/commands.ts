import {
  CommandError,
  databaseIsGiven,
  program,
  readEnvironmentFile,
  runCommand,
  say,
  step,
} from '@mobvibe/cli';
import { readKeys } from './api/keys.ts';
import { dotenvLines } from './environment.ts';
import { explained } from './files.ts';
import { parsePort } from './port.ts';
import { alreadyRuns, GIVEN, layoutOf, readRecord, runningApi, runningServer } from './running.ts';
import { resetStack, type StackOptions, type StartedStack, startStack, stopStack } from './stack.ts';

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
    'A local Supabase without Docker, for development: Postgres 17 with the platform, and the API before it.',
  ).addHelpText(
    'after',
    `
Both run in the background until pnpm local stop, on 127.0.0.1 only. Commands find them by themselves when neither
DATABASE_URL nor DIRECT_URL is set, because start writes .local/env.`,
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

  const apiOptions = (command: typeof local) =>
    command
      .option('--no-api', 'only Postgres: no REST, Auth, Realtime, Storage')
      .option(
        '--api-port <number>',
        'the API listens there instead of on 54321 or the next free port',
        parsePort,
      );

  apiOptions(local.command('start'))
    .description('start Postgres and the API, or find them running; the first start makes the data')
    .option(...portOption)
    .option(...directoryOption)
    .option('--unless-given', 'do nothing when DATABASE_URL or DIRECT_URL names a database')
    .addHelpText(
      'after',
      `
Without --port a port that is taken is no error: the next free one (54332, 54342, ...) is taken and remembered.`,
    )
    .action(async ({ port, api, apiPort, directory, unlessGiven }) => {
      if (unlessGiven && databaseIsGiven()) return say(GIVEN);
      const started = await startStack({ ...options(directory), port, api, apiPort });
      say(started.already ? alreadyRuns(started, started.api) : nowRuns(started));
    });

  local
    .command('stop')
    .description('stop both; the data stays')
    .option(...directoryOption)
    .action(async ({ directory }) => {
      if (!(await stopStack(options(directory)))) say('no server runs');
    });

  local
    .command('status')
    .description('say what runs, with which keys, and where everything is')
    .option('--json', 'as JSON')
    .option(...directoryOption)
    .addHelpText('after', `\nExit codes: 0 Postgres accepts connections, ${STOPPED} it does not.`)
    .action(async ({ json, directory }) => {
      const layout = layoutOf(directory);
      const running = await explained(layout.directory, () => runningServer(layout));
      const api = runningApi(layout);
      const keys = readKeys(layout.keys);
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
        api: api?.url ?? 'stopped',
        ...(api && { apiPort: api.port, apiPid: api.pid, apiLog: layout.apiLog }),
        ...(api &&
          keys && {
            publishableKey: keys.publishableKey,
            secretKey: keys.secretKey,
            anonKey: keys.anonKey,
            serviceRoleKey: keys.serviceRoleKey,
          }),
      };
      const lines = Object.entries(status).filter(([, value]) => value);
      const text = lines.map(([name, value]) => `${`${name}:`.padEnd(16)}${value}`).join('\n');
      console.log(json ? JSON.stringify(status, null, 2) : text);
    });

  apiOptions(local.command('reset'))
    .description('delete all data and stored files, and start anew; ports and keys stay')
    .option(...portOption)
    .option(...directoryOption)
    .action(async ({ port, api, apiPort, directory }) => {
      say(`${nowRuns(await resetStack({ ...options(directory), port, api, apiPort }))}, empty`);
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

const nowRuns = ({ url, api }: StartedStack) => `runs: ${url}${api ? `, API: ${api.url}` : ''}`;
