import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

// The program and a watcher that reads from a pipe which nobody writes to: the read returns when this process ends,
// however it ends, because the system then closes the other side. The shell is the program's parent, so the number
// that the watcher signals is never somebody else's.
const WATCHED = `
exec 3<&0
remove=$1; shift
"$@" </dev/null 3<&- &
server=$!
(
  read -r _ <&3
  trap '' TERM
  kill -INT "$server"
  while kill -0 "$server" 2>/dev/null; do sleep 0.1; done
  if [ -n "$remove" ]; then rm -rf "$remove"; fi
) &
watcher=$!
wait "$server"; code=$?
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
exit "$code"
`;

/**
 * Spawns a program that ends (SIGINT) with this process, even when that is killed, or when the stdin of the child is
 * destroyed. `removeWhenOrphaned` names a directory that then goes too.
 */
export function spawnWatched(
  command: string,
  args: string[],
  { removeWhenOrphaned = '', ...options }: SpawnOptions & { removeWhenOrphaned?: string },
): ChildProcess {
  const child = spawn('/bin/sh', ['-c', WATCHED, 'sh', removeWhenOrphaned, command, ...args], {
    ...options,
    // A session of its own, so that Ctrl-C does not reach it.
    detached: true,
  });
  // The pipe stays open as long as this process lives, but does not keep it alive.
  (child.stdin as Socket).unref();
  return child;
}
