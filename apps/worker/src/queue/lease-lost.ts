import { errorCode } from '@mobvibe/cli';

/** True for the error of a write whose job this worker no longer holds. The write changed nothing. */
export const isLeaseLost = (error: unknown) => errorCode(error) === 'MV001';
