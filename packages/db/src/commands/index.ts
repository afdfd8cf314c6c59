export { type Deployed, type DeployOptions, deploy } from './deploy.ts';
export { type MigrationFile, readMigrations } from './history.ts';
export { prisma, projectFolder } from './prisma.ts';
