export { colors } from './colors.ts';
export { program, report, runCommand } from './command.ts';
export {
  connect,
  connectionError,
  describe,
  refuseRemote,
  type Target,
  target,
  withConnection,
} from './database.ts';
export {
  databaseIsGiven,
  type Environment,
  loadEnvironment,
  localEnvironmentFile,
  readEnvironmentFile,
  repositoryRoot,
} from './environment.ts';
export { CommandError, errorCode, isCommandError, oneLine } from './error.ts';
export { beQuiet, duration, type Step, say, step } from './progress.ts';
