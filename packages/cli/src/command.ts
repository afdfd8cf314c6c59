import { Command, CommanderError } from 'commander';
import { colors } from './colors.ts';
import { errorCode, isCommandError, oneLine } from './error.ts';

/** A commander program whose usage errors leave through `runCommand`. */
export function program(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .exitOverride()
    .showHelpAfterError(false)
    .configureOutput({
      // Printed by runCommand, in the same two lines as every other error.
      writeErr: () => {},
    });
}

/**
 * Parses the arguments and runs the command. Whatever goes wrong ends as one line `error:` and one line
 * `fix:` on stderr and a non-zero exit code, never as a stack; MOBVIBE_DEBUG=1 adds the stack.
 */
export async function runCommand(command: Command, argv: string[] = process.argv): Promise<void> {
  try {
    await command.parseAsync(withoutSeparator(argv));
  } catch (error) {
    // Without a sub-command there is nothing to do but to say which there are.
    if (error instanceof CommanderError && error.code === 'commander.help') {
      process.stderr.write(command.helpInformation());
      process.exitCode = 2;
      return;
    }
    process.exitCode = report(error, command.name());
  }
}

/** Prints an error in the two lines that every command uses; returns the exit code it asks for. */
export function report(error: unknown, commandName: string): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    return print(error.message.replace(/^error: /, ''), `pnpm ${commandName} --help lists what it takes`, 2);
  }
  if (process.env.MOBVIBE_DEBUG) console.error(error);
  if (isCommandError(error)) return print(error.message, error.fix, error.exitCode);
  const code = errorCode(error);
  return print(
    `${oneLine(error)}${code ? ` (${code})` : ''}`,
    'this was not foreseen: MOBVIBE_DEBUG=1 shows where it came from',
    1,
  );
}

function print(problem: string, fix: string, exitCode: number): number {
  process.stderr.write(`${colors.red('error:')} ${problem}\n${colors.cyan('fix:')} ${fix}\n`);
  return exitCode;
}

// `pnpm local -- start` and `turbo run seed -- --scale ci` hand the separator through.
function withoutSeparator(argv: string[]): string[] {
  const at = argv.indexOf('--');
  return at === 2 ? argv.toSpliced(at, 1) : argv;
}
