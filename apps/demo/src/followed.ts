/** An event as the phone receives it. */
export interface PhoneEvent {
  seq: bigint | number;
  type: string;
  payload: Record<string, unknown>;
}

/** What is followed, until the job has ended and its last event is shown. */
export interface Followed {
  sessionId: string;
  jobId: string;
  /** Given each event once, in order, as it arrives. */
  onEvent(event: PhoneEvent): void;
  signal: AbortSignal;
}

export interface FollowedJob {
  status: string;
  errorMessage: string | null;
}

export const FINAL: string[] = ['completed', 'failed', 'cancelled'];
