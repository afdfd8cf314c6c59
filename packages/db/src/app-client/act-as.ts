import type { Acting } from './acting.ts';
import { operation } from './adapter.ts';
import type { Freshness } from './replica.ts';

// The parts of a Prisma client that this file relies on; none of them is public.
interface Internals {
  _originalClient: Internals;
  _extensions: object;
  $extends(extension: object): object;
  _engine: Engine;
  _engineConfig: { logEmitter: unknown };
  _requestHandler: { constructor: new (client: object, logEmitter: unknown) => object };
}
interface Query {
  action: string;
}
interface Engine {
  start(): Promise<void>;
  request(query: Query, ...rest: unknown[]): Promise<unknown>;
  requestBatch(queries: Query[], ...rest: unknown[]): Promise<unknown>;
  transaction(...args: unknown[]): Promise<unknown>;
  stop(): Promise<void>;
}

/**
 * The same client on behalf of somebody. To construct a Prisma client takes milliseconds and a megabyte, so all
 * share one engine; but each has its own request handler, because that is what joins the findUnique calls of a tick
 * into one query: shared, it would answer one user with the rights of another.
 */
export function actAs<Client extends object>(client: Client, acting: Acting, freshness?: Freshness): Client {
  const { original, extensions } = internalsOf(client);
  const { _engine: engine } = original;
  const raw = ({ action }: Query) => action === 'queryRaw' || action === 'executeRaw';
  const own: Engine = {
    start: () => engine.start(),
    request: (query, ...rest) =>
      operation.run({ acting, raw: raw(query), freshness }, () => engine.request(query, ...rest)),
    requestBatch: (queries, ...rest) =>
      operation.run({ acting, raw: queries.some(raw), freshness }, () =>
        engine.requestBatch(queries, ...rest),
      ),
    transaction: (...args) =>
      operation.run({ acting, raw: false, freshness }, () => engine.transaction(...args)),
    stop: async () => {},
  };
  const derived: Internals = Object.create(original);
  Object.defineProperties(derived, {
    _engine: { value: own },
    _requestHandler: {
      value: new original._requestHandler.constructor(derived, original._engineConfig.logEmitter),
    },
    _originalClient: { value: derived },
    _appliedParent: { value: derived },
    _extensions: { value: extensions },
  });
  // The models of a client hang on its last extension.
  return derived.$extends({}) as Client;
}

function internalsOf(client: object): { original: Internals; extensions: object } {
  const { _originalClient: original, _extensions: extensions } = client as Partial<Internals>;
  const { _engine: engine, _requestHandler: handler } = original ?? {};
  const known =
    handler?.constructor &&
    ['start', 'request', 'requestBatch', 'transaction'].every((name) => name in (engine ?? {}));
  if (!original || !extensions || !known)
    throw new Error('this version of the Prisma client has other internals than 7.10');
  return { original, extensions };
}
