export { bootstrapPlatform, createDatabase, makeRealtimePartitions } from './platform.ts';
export { type Server, type ServerOptions, startServer } from './server.ts';
