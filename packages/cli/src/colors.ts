import pc from 'picocolors';

/**
 * Colours for what goes to stderr, on a terminal only. Left to itself, picocolors paints wherever CI is set, and
 * what reads our lines there would have to strip it.
 */
export const colors = pc.createColors(
  Boolean(process.env.FORCE_COLOR) || (Boolean(process.stderr.isTTY) && !process.env.NO_COLOR),
);
