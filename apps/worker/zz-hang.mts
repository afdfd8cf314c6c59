// a worker whose scripted agent hangs in a command
import { describe } from '@mobvibe/cli';
import { loadWorkerConfig } from './src/config.ts';
import { createClaudeExecutor } from './src/executor/claude/claude.ts';
import { openScriptedModelApi } from './src/model-api/scripted.ts';
import { startWorker } from './src/worker.ts';
const config = loadWorkerConfig({ data: '/tmp/probe/hdata', lease: 3 });
const modelApi = await openScriptedModelApi({ script: ({ results }) => results.length ? { text: 'x' } : { tools: [{ name: 'Bash', input: { command: 'sleep 97' } }] } });
const w = await startWorker({ target: describe(process.env.DATABASE_URL!), config, executor: createClaudeExecutor({ modelApi, system: config.system }) });
process.on('SIGINT', () => w.stop().then(() => modelApi.close()));
