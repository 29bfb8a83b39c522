/**
 * Where a container keeps its files, and how its command is started: as a recorded process, which outlives
 * the agent, so that `kill -9` of the agent costs no task and no exit status. Spec: agent.md §3-4.
 */
import type { SpawnOptions } from '../../src/runtime/index.ts'

/** Where one container keeps its files. */
export interface Run {
  /** Working directory of the command; holds `stdout` and `stderr`. */
  readonly sandbox: string
  /** Prefix of the paths of its record; outside the sandbox, where the task has no business. */
  readonly control: string
}

export interface Program {
  /** Program and arguments. */
  readonly argv: readonly string[]
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
  /** Absent: the agent's own user. */
  readonly user?: { readonly uid: number; readonly gid: number }
  /** What becomes that user's besides the sandbox: links in it, to volumes of the task alone. */
  readonly owned?: readonly string[]
}

export function spawnOptions(run: Run, program: Program): SpawnOptions {
  const [command = '', ...args] = commandLine(program)
  return {
    command,
    args,
    cwd: run.sandbox,
    // What makes the process another user's must not be steered by that user's variables.
    env: program.user === undefined ? program.env : {},
    stdoutPath: `${run.sandbox}/stdout`,
    stderrPath: `${run.sandbox}/stderr`,
    detached: true,
    record: run.control,
  }
}

/** `$1` is the user, what follows up to `--` becomes his, the rest is the command. */
const asUser =
  'user=$1; shift; until [ "$1" = -- ]; do chown "$user" "./$1" || exit; shift; done; shift; exec "$@"'

function commandLine({ argv, env, user, owned = [] }: Program): readonly string[] {
  if (user === undefined) return argv
  const { uid, gid } = user
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  return [
    '/bin/sh',
    '-c',
    asUser,
    'meseta-user',
    `${uid}:${gid}`,
    '.',
    ...owned,
    '--',
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
