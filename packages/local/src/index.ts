export { bootstrapPlatform, createDatabase, makeRealtimePartitions } from './platform.ts';
export type { Progress } from './progress.ts';
export { type Server, type ServerOptions, startServer } from './server.ts';
export {
  resetStack,
  type StackOptions,
  type StartedStack,
  type StartOptions,
  startStack,
  stopStack,
} from './stack.ts';
