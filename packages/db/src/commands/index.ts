export { type Deployed, type DeployOptions, deploy } from './deploy.ts';
export { type MigrationFile, readMigrations } from './history.ts';
export { prisma } from './prisma.ts';
export { projectFolder } from './project.ts';
