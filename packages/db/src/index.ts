export { makeTypedQueryFactory, type TypedSql } from '@prisma/client/runtime/client';
export * from './app-client/index.ts';
export { databaseUrl, type LoginRole, loginUrl } from './connection.ts';
export type * from './generated/client.ts';
export { Prisma } from './generated/client.ts';
export * from './generated/enums.ts';
export { createServiceClient, type ServiceClient, type ServiceClientOptions } from './service-client.ts';
