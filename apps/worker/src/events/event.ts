import type { SessionEventType } from '@mobvibe/db';

/**
 * Where a job stands, beyond what its row says. `conversation_compacted`: the agent goes on from a summary of a
 * conversation that became too long. `conversation_restarted`: the earlier one could not be resumed; the files are
 * still there.
 */
export type Status =
  | 'started'
  | 'model_retry'
  | 'conversation_compacted'
  | 'conversation_restarted'
  | 'cancelled'
  | 'released';

/** What each type of event carries. Written as they stand into session_events.payload. */
export interface Payloads {
  status: { status: Status; attempt: number };
  /** `redacted`: the model thought, and does not show it. */
  thinking: { text: string; redacted?: true };
  message: { text: string };
  /** `exit_code` is null where there is none to know: the command was refused, or killed by its timeout. */
  terminal: { command: string; output: string; exit_code: number | null };
  /**
   * `path` is relative to the project directory; `added` and `removed` count lines, and are null where the change
   * was too large to count.
   */
  file_change: {
    path: string;
    change: 'created' | 'modified';
    added: number | null;
    removed: number | null;
  };
  tool_use: { tool: string; input: Record<string, unknown>; error?: string };
  /** `url` is what a browser can open; where there is none, the update that Expo's own app can. */
  preview_ready: { url: string; eas_update_url?: string };
  error: { code: string; message: string; retryable: boolean };
  completed: { summary: string; usage: Usage; cost_usd: number; turns: number; duration_ms: number };
}

/** Tokens as the Messages API counts them. complete_jobs adds input and output to the owner's usage. */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  cache_read_input_tokens: number;
  cache_creation_input_tokens: number;
}

export type SessionEvent = { [T in SessionEventType]: { type: T; payload: Payloads[T] } }[SessionEventType];

export const NO_USAGE: Usage = {
  input_tokens: 0,
  output_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};
