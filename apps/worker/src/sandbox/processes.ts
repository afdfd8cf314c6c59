export { endProcesses, findProcesses } from './machine/processes.mjs';

/** A variable in the environment of everything that a session's agent starts: it survives fork, exec and setsid. */
export const sessionMark = (sessionId: string) => `MOBVIBE_SANDBOX=${sessionId}`;
