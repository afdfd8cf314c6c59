import type { SessionEventType } from '@mobvibe/db';

/** What each type of event carries. Written as they stand into session_events.payload. */
export interface Payloads {
  status: { status: 'started' | 'model_retry' | 'cancelled' | 'released'; attempt: number };
  thinking: { text: string };
  message: { text: string };
  /** `exit_code` is null where there is none to know: the command was refused, or killed by its timeout. */
  terminal: { command: string; output: string; exit_code: number | null };
  /** `path` is relative to the project directory; `added` and `removed` count lines. */
  file_change: { path: string; change: 'created' | 'modified'; added: number; removed: number };
  tool_use: { tool: string; input: Record<string, unknown>; error?: string };
  preview_ready: { url: string };
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
