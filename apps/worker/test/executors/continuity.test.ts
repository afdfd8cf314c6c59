import { mkdir, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Conversation } from '../../src/model-server/conversation.ts';
import { until } from '../support.ts';
import { bash, createAgents } from './agent.ts';

let agents: Awaited<ReturnType<typeof createAgents>>;
beforeAll(async () => {
  agents = await createAgents();
});
afterAll(() => agents.close());

const restarted = { type: 'status', payload: { status: 'conversation_restarted', attempt: 1 } };

/** An agent that notes what it was asked, and does what the prompt says. */
async function listener() {
  const heard: Conversation[] = [];
  const session = await agents.agent({
    script: (conversation) => {
      heard.push(conversation);
      const { prompt, results } = conversation;
      if (prompt === 'hang' && results.length === 0) return bash('touch started; sleep 300');
      if (prompt === 'fail') return { error: 'overloaded_error' };
      if (prompt === 'unreadable' && conversation.earlier.length > 0)
        return { error: 'invalid_request_error' };
      return { text: 'Done.' };
    },
  });
  return { ...session, heard };
}

async function transcriptOf({ sandbox, session }: Awaited<ReturnType<typeof listener>>): Promise<string> {
  const projects = join(sandbox.home, '.claude', 'projects');
  const [directory = ''] = await readdir(projects);
  return join(projects, directory, `${session.metadata.agent_session_id}.jsonl`);
}

describe('the second job of a session', () => {
  it('goes on with the conversation of the first', async () => {
    const { run, heard, events, session } = await listener();
    await run('first');
    const id = session.metadata.agent_session_id;
    await run('second');
    expect(heard.at(-1)).toMatchObject({ prompt: 'second', earlier: ['first'] });
    expect(session.metadata.agent_session_id).toBe(id);
    expect(events).not.toContainEqual(restarted);
  });

  it('goes on where the first was stopped in the middle of a command', async () => {
    const { run, heard, events, sandbox } = await listener();
    const controller = new AbortController();
    const running = expect(run('hang', controller.signal)).rejects.toBe('cancelled');
    await until(async () => (await sandbox.files()).includes('started'));
    controller.abort('cancelled');
    await running;
    await run('second');
    expect(heard.at(-1)).toMatchObject({ prompt: 'second', earlier: ['hang'] });
    expect(await sandbox.files()).toEqual(['started']);
    expect(events).not.toContainEqual(restarted);
  });

  it('goes on where the model did not answer the first', async () => {
    const { run, heard, events } = await listener();
    await expect(run('fail')).rejects.toMatchObject({ code: 'model_overloaded' });
    await run('second');
    expect(heard.at(-1)).toMatchObject({ prompt: 'second', earlier: ['fail'] });
    expect(events).not.toContainEqual(restarted);
  });

  it.each([
    ['is gone', (path: string) => rm(path)],
    ['is empty', (path: string) => truncate(path)],
    ['is garbage', (path: string) => writeFile(path, 'garbage\n{not json\n')],
    ['holds what is no message', (path: string) => writeFile(path, '{"type":"user"}\n[]\nnull\n')],
    [
      'is a directory',
      async (path: string) => {
        await rm(path);
        await mkdir(path);
      },
    ],
  ])('begins afresh, and says so, where the transcript %s', async (_, damage) => {
    const agent = await listener();
    const { run, heard, events, session } = agent;
    await run('first');
    const id = session.metadata.agent_session_id;
    await damage(await transcriptOf(agent));
    events.length = 0;
    const { usage } = await run('second');
    expect(heard.at(-1)).toMatchObject({ prompt: 'second', earlier: [] });
    expect(events).toEqual([restarted, { type: 'message', payload: { text: 'Done.' } }]);
    expect(session.metadata.agent_session_id).not.toBe(id);
    expect(usage.output_tokens).toBeGreaterThan(0);

    await run('third');
    expect(heard.at(-1)).toMatchObject({ prompt: 'third', earlier: ['second'] });
  });

  it('begins afresh after a job whose conversation the model could not read', async () => {
    const { run, heard, events } = await listener();
    await run('first');
    await expect(run('unreadable')).rejects.toMatchObject({ code: 'model_invalid_request' });
    events.length = 0;
    await run('third');
    expect(events[0]).toEqual(restarted);
    expect(heard.at(-1)).toMatchObject({ prompt: 'third', earlier: [] });
  });

  it('begins afresh where the conversation was another kind of model’s', async () => {
    const { run, heard, events, session } = await listener();
    await run('first');
    session.metadata.agent_model_api = 'anthropic';
    events.length = 0;
    await run('second');
    expect(events[0]).toEqual(restarted);
    expect(heard.at(-1)).toMatchObject({ earlier: [] });
  });
});
