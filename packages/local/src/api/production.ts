import { CommandError } from '@mobvibe/cli';

/** @throws CommandError where NODE_ENV says production. */
export function refuseProduction(): void {
  if (process.env.NODE_ENV !== 'production') return;
  throw new CommandError(
    'the API of the local stack is a development server, and NODE_ENV is production',
    'unset NODE_ENV, or do without the API: pnpm local start --no-api',
  );
}
