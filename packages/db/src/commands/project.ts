import { fileURLToPath } from 'node:url';

/** The folder of this package, where prisma.config.ts is. */
export const projectFolder = fileURLToPath(new URL('../..', import.meta.url));
