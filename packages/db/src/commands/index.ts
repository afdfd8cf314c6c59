export { type Deployed, type DeployOptions, deploy } from './deploy.ts';
export { type MigrationFile, readMigrations, readRecords } from './history.ts';
export { prisma } from './prisma.ts';
export { projectFolder } from './project.ts';
