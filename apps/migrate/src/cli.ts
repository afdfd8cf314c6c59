import { program, runCommand } from '@mobvibe/cli';
import { addNew } from './new/command.ts';
import { addRollback } from './rollback/command.ts';

const cli = program('migration', 'Writes migrations and takes them back');
addNew(cli);
addRollback(cli);
await runCommand(cli);
