import { errorCode } from '@mobvibe/cli';

/** True for the error of a write whose job this worker no longer holds. The write changed nothing. */
export const isLeaseLost = (error: unknown) => errorCode(error) === 'MV001';

/** The ids of the jobs that such an error names: the others of its batch are still held. */
export function lostJobs(error: unknown): string[] {
  if (!isLeaseLost(error)) return [];
  const { detail } = error as { detail?: string };
  return detail ? (JSON.parse(detail) as string[]) : [];
}
