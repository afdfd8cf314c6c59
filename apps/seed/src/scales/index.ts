import { ci } from './ci.ts';
import type { Scale } from './scale.ts';

export const scales = { ci } satisfies Record<string, Scale>;

export type ScaleName = keyof typeof scales;
