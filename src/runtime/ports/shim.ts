/**
 * The shim: a small POSIX shell around a recorded process, for machines without Perl (`perl-launcher.ts`).
 * It outlives whoever started it. Only builtins: its price is one fork of a shell and one exec of `setsid`.
 * In the record, `.shim` is the shell itself.
 *
 * When the command has ended, what is left of its process group is killed. Processes that made themselves
 * a session of their own are beyond reach.
 */
import type { ProcessHandle, SpawnOptions } from '../ports.ts'
import { suffixes } from './record.ts'
import type { Exit } from './start-process.ts'

/** Exit status of a shim that was not given the right to start its command. */
const refusedStatus = 125

/**
 * `$1` is the record's prefix, the rest the command. Its own complaints go to /dev/null, the command's
 * to descriptor 3, which is the command's stderr. The command is no background job of the shell, because
 * those ignore SIGINT.
 */
const script = `set -C
IFS= read -r stat </proc/$$/stat
printf '%s\\n' "$stat" 2>/dev/null >"$1${suffixes.shim}" || exit ${refusedStatus}
set +C
exec 3>&2 2>/dev/null
(
run=$1
shift
IFS= read -r stat </proc/self/stat
printf '%s\\n' "$stat" >"$run${suffixes.pid}"
exec "$@" 2>&3 3>&-
)
status=$?
IFS=' ' read -r pid rest <"$1${suffixes.pid}" && kill -s KILL -- "-$pid"
printf '%s\\n' "$status" >"$1${suffixes.exit}"
exit "$status"`

/** The start of a recorded process as that of its shim. */
export function inShim({ record, command, args, ...options }: SpawnOptions): SpawnOptions {
  const shim = ['-c', script, 'meseta-shim', record ?? '', '/usr/bin/setsid']
  return { ...options, command: '/bin/sh', args: [...shim, command, ...args], detached: true }
}

/** A shim that was refused says what a command may say too: then only the record can tell. */
export function fromShim({ exited, ...handle }: ProcessHandle): ProcessHandle {
  const known = ({ code, signal }: Exit): Exit =>
    code === refusedStatus || code === null ? { code: null, signal: null } : { code, signal }
  return { ...handle, exited: exited.then(known) }
}
