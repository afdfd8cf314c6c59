export type { PageConfig } from './config.ts';
export { type Page, servePage } from './serve.ts';
