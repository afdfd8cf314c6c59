import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoopbackServer } from '../src/http/loopback.ts';
import type { ModelApi } from '../src/model-api/model-api.ts';
import { openAnthropicRelay } from '../src/model-api/relay.ts';
import { startModelServer } from '../src/model-server/server.ts';

const request = { model: 'm', max_tokens: 10, messages: [{ role: 'user' as const, content: 'hello' }] };
let upstream: LoopbackServer;
let relay: ModelApi;

beforeAll(async () => {
  upstream = await startModelServer({ apiKey: 'the-real-key' });
  relay = await openAnthropicRelay({ baseUrl: upstream.url, apiKey: 'the-real-key' });
});
afterAll(async () => {
  await relay.close();
  await upstream.close();
});

const clientOf = (access: { baseUrl: string; apiKey: string }) =>
  new Anthropic({ baseURL: access.baseUrl, apiKey: access.apiKey, maxRetries: 0 });

describe('the relay', () => {
  it('puts the real key in place of the one it granted', async () => {
    const access = relay.grant();
    expect(access.apiKey).not.toContain('the-real-key');
    const message = await clientOf(access).messages.stream(request).finalMessage();
    expect(message.stop_reason).toBe('end_turn');
    await expect(clientOf(access).messages.countTokens({ ...request })).resolves.toBeDefined();
  });

  it('refuses keys that it did not grant, or no longer', async () => {
    const access = relay.grant();
    const client = clientOf(access);
    access.revoke();
    await expect(client.messages.create(request)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
    const stranger = clientOf({ ...access, apiKey: 'the-real-key' });
    await expect(stranger.messages.create(request)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
  });

  it('relays messages only: the key opens no other part of the account', async () => {
    const client = clientOf(relay.grant());
    await expect(client.models.list()).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(client.messages.batches.list()).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });

  it('passes on what the API refuses', async () => {
    const client = clientOf(relay.grant());
    await expect(client.messages.create({ ...request, messages: [] })).rejects.toBeInstanceOf(
      Anthropic.BadRequestError,
    );
  });

  it('says so when the API cannot be reached', async () => {
    const nowhere = await openAnthropicRelay({ baseUrl: 'http://127.0.0.1:1', apiKey: 'k' });
    await expect(clientOf(nowhere.grant()).messages.create(request)).rejects.toBeInstanceOf(
      Anthropic.InternalServerError,
    );
    await nowhere.close();
  });
});
