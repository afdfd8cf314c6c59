export { type Api, type ApiOptions, startApi } from './api.ts';
export { apiEnvironment, type StackKeys } from './keys.ts';
export { makeKeys } from './make-keys.ts';
