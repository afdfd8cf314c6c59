export type { Claims } from './acting.ts';
export { type AppClient, type AppClientOptions, createAppClient, type UserClient } from './app-client.ts';
export {
  claimsFromJwt,
  isJwtRefused,
  type JwtKeys,
  type JwtOptions,
  type JwtRefusal,
} from './claims-from-jwt.ts';
export { isReplicaWrite } from './reads-only.ts';
export type { FallbackReason, ReplicaOptions, StaleOptions } from './replica.ts';
