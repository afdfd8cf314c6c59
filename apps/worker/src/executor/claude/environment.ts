import { dirname } from 'node:path';
import type { ModelAccess } from '../../model-api/model-api.ts';
import type { Sandbox } from '../../sandbox/sandbox.ts';
import { configDirectory } from './transcript.ts';

/**
 * The agent's whole environment. Nothing is inherited but what `system` names: the worker's own variables hold
 * the database's password and the API key.
 */
export function agentEnvironment(options: {
  access: ModelAccess;
  sandbox: Sandbox;
  /** `NAME=value`, by which every process of the sandbox is known. */
  mark: string;
  temporary: string;
  system: Record<string, string>;
  modelRetries: number;
}): Record<string, string> {
  const { access, sandbox, mark, temporary, system, modelRetries } = options;
  const [markName = '', markValue = ''] = mark.split('=', 2);
  return {
    ...system,
    [markName]: markValue,
    HOME: sandbox.home,
    TMPDIR: temporary,
    // Git looks upwards for a repository: without a ceiling the agent would commit into whichever one the data
    // directory lies in.
    GIT_CEILING_DIRECTORIES: dirname(sandbox.project),

    ANTHROPIC_BASE_URL: access.baseUrl,
    ANTHROPIC_API_KEY: access.apiKey,
    CLAUDE_CODE_MAX_RETRIES: String(modelRetries),
    NO_PROXY: '127.0.0.1,localhost',

    CLAUDE_CONFIG_DIR: configDirectory(sandbox.home),
    CLAUDE_CODE_TMPDIR: temporary,
    CLAUDE_AGENT_SDK_CLIENT_APP: 'mobvibe-worker',
    // Nothing but the base URL is contacted.
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_TELEMETRY: '1',
    DISABLE_ERROR_REPORTING: '1',
    DISABLE_AUTOUPDATER: '1',
    DISABLE_GROWTHBOOK: '1',
    // A run ends with its job: nothing may go on in the background, or be planned for later.
    CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
    CLAUDE_CODE_DISABLE_CRON: '1',
    CLAUDE_CODE_DISABLE_AUTO_MEMORY: '1',
    CLAUDE_CODE_DISABLE_BUNDLED_SKILLS: '1',
    CLAUDE_CODE_DISABLE_FILE_CHECKPOINTING: '1',
    // The state of a repository around the data directory is not the app's.
    CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS: '1',
  };
}
