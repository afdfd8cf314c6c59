import type { Tier } from '@mobvibe/db';
import { hours } from './scenario.ts';

/** How long a session of each tier lives after its last activity, as in private.tier_limits; a test compares. */
export const sessionTtl: Record<Tier, number> = {
  free: hours(1),
  pro: hours(8),
  team: hours(24),
  enterprise: hours(72),
};
