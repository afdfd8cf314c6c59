import { type ModelServerOptions, startModelServer } from '../model-server/server.ts';
import type { ModelApi } from './model-api.ts';

/** The scripted Messages API of this package, on loopback: for whoever has no key, and for tests. */
export async function openScriptedModelApi(options: ModelServerOptions = {}): Promise<ModelApi> {
  const server = await startModelServer(options);
  return {
    kind: 'scripted',
    grant: () => ({ baseUrl: server.url, apiKey: options.apiKey ?? 'scripted', revoke: () => {} }),
    close: () => server.close(),
  };
}
