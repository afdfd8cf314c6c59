// Brings the generated Prisma client up to date, from turbo's cache where nothing changed, and says something only
// when that fails: it runs before every command that needs the client.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const turbo = fileURLToPath(new URL('../node_modules/.bin/turbo', import.meta.url));
const { status, stdout, stderr, error } = spawnSync(
  turbo,
  ['run', 'generate', '--output-logs=errors-only', '--log-prefix=none'],
  {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    encoding: 'utf8',
    env: { ...process.env, DO_NOT_TRACK: '1' },
  },
);
if (status !== 0) {
  process.stderr.write(`${error?.message ?? `${stdout}${stderr}`}\n`);
  process.stderr.write(
    'error: the Prisma client cannot be generated\nfix: what turbo says above; usually packages/db/prisma/schema needs correcting\n',
  );
  process.exitCode = 1;
}
