/** What a program of a framework is started with. Spec: executor-api.md §6, §9.2. */
import { err, ok, type Result } from '../../protocol/result.ts'
import type { CommandInfo } from '../../protocol/v1/command.ts'
import type { FrameworkInfo } from '../../protocol/v1/framework.ts'
import type { DurationInfo } from '../../protocol/v1/ids.ts'

/** What every program is told of its place. */
export interface Place {
  readonly agent_id: string
  readonly framework: FrameworkInfo
  readonly executor_id: string
  readonly sandbox: string
  /** Grace between SHUTDOWN and the end by force, ms. */
  readonly shutdownGraceMs: number
  /** How long a checkpointing executor waits for its agent, ms. */
  readonly recoveryTimeoutMs: number
  /** Longest pause between two attempts of an executor to subscribe, ms. */
  readonly subscriptionBackoffMs: number
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** The variables of executor-api.md §6 that mean something here. Nothing of the agent's is inherited. */
export function placeVariables(place: Place): Record<string, string> {
  const checkpoint = place.framework.checkpoint === true
  const variables: Record<string, string> = {
    PATH: path,
    MESOS_FRAMEWORK_ID: place.framework.id?.value ?? '',
    MESOS_EXECUTOR_ID: place.executor_id,
    MESOS_SLAVE_ID: place.agent_id,
    MESOS_DIRECTORY: place.sandbox,
    MESOS_SANDBOX: place.sandbox,
    MESOS_CHECKPOINT: checkpoint ? '1' : '0',
    MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: durationText(place.shutdownGraceMs),
    MESOS_HTTP_COMMAND_EXECUTOR: '0',
  }
  if (checkpoint) {
    variables.MESOS_RECOVERY_TIMEOUT = durationText(place.recoveryTimeoutMs)
    variables.MESOS_SUBSCRIPTION_BACKOFF_MAX = durationText(place.subscriptionBackoffMs)
  }
  return variables
}

/** Those that a command brings, which win over all others. */
export function commandVariables(command: CommandInfo): Result<Record<string, string>> {
  const variables: Record<string, string> = {}
  for (const { name, type, value, secret } of command.environment?.variables ?? []) {
    if (type === 'SECRET' || secret !== undefined) {
      return err(`the variable ${name} is a secret, and there is no resolver of secrets here`)
    }
    if (name === '' || /[=\0]/.test(name)) return err(`${JSON.stringify(name)} names no variable`)
    variables[name] = value ?? ''
  }
  return ok(variables)
}

/** Program and arguments of a command: a shell's, or its own, whose first argument is its name. */
export function argvOf(command: CommandInfo): Result<readonly string[]> {
  const { shell = true, value } = command
  if (value === undefined || value === '') return err('the command has no value')
  return ok(shell ? ['/bin/sh', '-c', value] : [value, ...(command.arguments ?? []).slice(1)])
}

export interface User {
  readonly uid: number
  readonly gid: number
}

/** Looks a user up in the text of /etc/passwd. */
export function findUser(passwd: string, name: string): User | undefined {
  for (const line of passwd.split('\n')) {
    const [user, , uid, gid] = line.split(':')
    if (user === name && uid !== undefined && gid !== undefined) {
      return { uid: Number(uid), gid: Number(gid) }
    }
  }
  return undefined
}

/** `5secs`, `1500ms`, `15mins`: as Mesos writes durations. */
export function durationText(ms: number): string {
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}mins`
  return ms % 1000 === 0 ? `${ms / 1000}secs` : `${ms}ms`
}

export function durationMs(duration: DurationInfo | undefined): number | undefined {
  return duration === undefined ? undefined : duration.nanoseconds / 1e6
}
