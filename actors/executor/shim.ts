/**
 * The shim: a small POSIX shell between the agent and a command. It outlives the agent, so that
 * `kill -9` of the agent costs no task and no exit status. Only builtins: its price is one fork of a
 * shell and one exec of `setsid`.
 *
 * Beside the sandbox, where the task has no business, it leaves three files (`Run.control` + suffix):
 * - `.shim`: its own line of /proc/PID/stat. Created exclusively: it is the right to start the command. A
 *   recovering agent that creates it first has made sure that the command never starts;
 * - `.pid`: the same line of the command, which leads a session and process group of its own;
 * - `.exit`: the exit status and a line break; 128 + n for signal n, as shells say it.
 *
 * When the command has ended, what is left of its process group is killed: a task is its group, and a
 * forgotten background process must not outlive the resources it was given. Processes that made
 * themselves a session of their own are beyond reach without cgroups.
 */
import type { SpawnOptions } from '../../src/runtime/index.ts'

/** Where one container keeps its files. */
export interface Run {
  /** Working directory of the command; holds `stdout` and `stderr`. */
  readonly sandbox: string
  /** Prefix of the paths of the shim's files. */
  readonly control: string
}

export const suffixes = { shim: '.shim', pid: '.pid', exit: '.exit' } as const

/** Exit status of a shim that was not given the right to start its command. */
export const refusedStatus = 125

/**
 * `$1` is the control prefix, the rest the command. Its own complaints go to /dev/null, the command's
 * to descriptor 3, which is the task's stderr. The command is no background job of the shell, because
 * those ignore SIGINT.
 */
export const shimScript = `set -C
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

export interface Program {
  /** Program and arguments. */
  readonly argv: readonly string[]
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
  /** Absent: the agent's own user. */
  readonly user?: { readonly uid: number; readonly gid: number }
}

/** How to start the shim of a command. Only Linux has the tools that it names. */
export function shimSpawn(run: Run, program: Program): SpawnOptions {
  return {
    command: '/bin/sh',
    args: [
      '-c',
      shimScript,
      'meseta-shim',
      run.control,
      '/usr/bin/setsid',
      ...commandLine(program),
    ],
    cwd: run.sandbox,
    // The shim of a task that runs as another user must not be steered by that user's variables.
    env: program.user === undefined ? program.env : {},
    stdoutPath: `${run.sandbox}/stdout`,
    stderrPath: `${run.sandbox}/stderr`,
    detached: true,
  }
}

function commandLine({ argv, env, user }: Program): readonly string[] {
  if (user === undefined) return argv
  const { uid, gid } = user
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  return [
    '/bin/sh',
    '-c',
    'chown "$1" . && shift && exec "$@"',
    'meseta-user',
    `${uid}:${gid}`,
    '/usr/bin/setpriv',
    `--reuid=${uid}`,
    `--regid=${gid}`,
    '--clear-groups',
    '/usr/bin/env',
    '-i',
    ...variables,
    ...argv,
  ]
}

/** A process as /proc/PID/stat tells of it: pid, and start time in ticks (field 22). */
export interface Identity {
  readonly pid: number
  readonly startTime: string
}

/** What `.shim` and `.pid` hold; undefined while they are not whole. */
export function parseIdentity(text: string): Identity | undefined {
  if (!text.endsWith('\n')) return undefined
  // Field 2 is the program's name in parentheses and may itself hold spaces and parentheses.
  const startTime = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')[19]
    ?.trim()
  const pid = Number.parseInt(text, 10)
  return startTime === undefined || !Number.isSafeInteger(pid) ? undefined : { pid, startTime }
}

/** What `.exit` holds; undefined if it is not whole. */
export function parseExit(text: string): number | undefined {
  return /^\d{1,3}\n$/.test(text) ? Number.parseInt(text, 10) : undefined
}
