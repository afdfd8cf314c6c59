import Anthropic from '@anthropic-ai/sdk';
import type { MessageParam, Tool } from '@anthropic-ai/sdk/resources/messages';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoopbackServer } from '../src/http/loopback.ts';
import { startModelServer } from '../src/model-server/server.ts';

const tools: Tool[] = ['Bash', 'Read', 'Write', 'Edit'].map((name) => ({
  name,
  input_schema: { type: 'object' },
}));
const question: MessageParam[] = [{ role: 'user', content: 'Build me a habit tracker, please' }];
const request = { model: 'claude-test', max_tokens: 1000, messages: question, tools };

let server: LoopbackServer;
let client: Anthropic;

beforeAll(async () => {
  server = await startModelServer({ apiKey: 'right' });
  client = new Anthropic({ baseURL: server.url, apiKey: 'right', maxRetries: 0 });
});
afterAll(() => server.close());

describe('the scripted Messages API', () => {
  it('streams a message that the SDK assembles to the one it would have sent whole', async () => {
    const events: string[] = [];
    const stream = client.messages.stream(request).on('streamEvent', (event) => events.push(event.type));
    const streamed = await stream.finalMessage();
    const whole = await client.messages.create(request);

    expect(events[0]).toBe('message_start');
    expect(events.slice(-2)).toEqual(['message_delta', 'message_stop']);
    expect(events.filter((type) => type === 'content_block_start')).toHaveLength(3);
    expect(streamed.content.map((block) => block.type)).toEqual(['thinking', 'text', 'tool_use']);
    expect(streamed.content.map(withoutId)).toEqual(whole.content.map(withoutId));
    expect(streamed.stop_reason).toBe('tool_use');
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
    expect(streamed.usage.output_tokens).toBeGreaterThan(10);
  });

  it('goes on from what the tools returned, to the end of its turn', async () => {
    const messages = [...question];
    const used: string[] = [];
    for (;;) {
      const message = await client.messages.create({ ...request, messages });
      const calls = message.content.filter((block) => block.type === 'tool_use');
      if (message.stop_reason === 'end_turn') break;
      used.push(...calls.map((call) => call.name));
      messages.push(
        { role: 'assistant', content: message.content },
        {
          role: 'user',
          content: calls.map((call) => ({ type: 'tool_result', tool_use_id: call.id, content: '/app' })),
        },
      );
    }
    expect(used).toEqual(['Bash', 'Write', 'Write', 'Write', 'Write', 'Bash', 'Edit']);
  });

  it('keeps characters outside the basic plane whole', async () => {
    const emoji = '🏃🏽‍♀️'.repeat(50);
    const own = await startModelServer({ script: () => ({ text: emoji }) });
    const theirs = new Anthropic({ baseURL: own.url, apiKey: 'any' });
    const message = await theirs.messages.stream(request).finalMessage();
    await own.close();
    expect(message.content[0]).toMatchObject({ text: emoji });
  });

  it('answers a side request, which offers no tools, in plain text', async () => {
    const { content, stop_reason } = await client.messages.create({ ...request, tools: [] });
    expect(stop_reason).toBe('end_turn');
    expect(content.map((block) => block.type)).toEqual(['text']);
  });

  it('counts tokens', async () => {
    const { max_tokens: _, ...counted } = request;
    const { input_tokens } = await client.messages.countTokens(counted);
    expect(input_tokens).toBeGreaterThan(10);
  });

  it('refuses as the real API does', async () => {
    const stranger = new Anthropic({ baseURL: server.url, apiKey: 'wrong', maxRetries: 0 });
    await expect(stranger.messages.create(request)).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
    await expect(client.messages.create({ ...request, max_tokens: 0 })).rejects.toThrow(/max_tokens/);
    await expect(client.messages.create({ ...request, messages: [] })).rejects.toBeInstanceOf(
      Anthropic.BadRequestError,
    );
    await expect(client.models.list()).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    const broken = await fetch(`${server.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': 'right' },
      body: '{',
    });
    expect(broken.status).toBe(400);
    expect(await broken.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
    expect(broken.headers.get('request-id')).toMatch(/^req_/);
  });
});

const withoutId = (block: object) => ({ ...block, id: undefined });
