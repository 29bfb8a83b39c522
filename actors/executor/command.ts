/**
 * The command executor: one actor a command task. It starts the command, reports TASK_STARTING, TASK_RUNNING,
 * TASK_KILLING and how it ended, and kills with a grace period. A child of the agent; if it crashes the
 * agent kills the container and fails the task, if the agent dies the command goes on, and a
 * new actor finds them again. Spec: executor-api.md §9.1-§9.3.
 */
import { agentToExecutor, ExecutorEnded, ReportStatus } from '../../protocol/container.ts'
import type { TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { ChildSpec, Context } from '../../src/runtime/index.ts'
import { DiskError, statechart } from '../../src/runtime/index.ts'
import { commandMachine } from './command-machine.ts'
import {
  type CommandArgs,
  type CommandState,
  graceOf,
  isPast,
  killGraceMs,
  terminalStatus,
} from './command-state.ts'
import { type ContainerEvents, launch, recover, signal } from './container.ts'
import {
  argvOf,
  commandVariables,
  durationMs,
  findUser,
  placeVariables,
  type User,
} from './environment.ts'

const behaviour = statechart<CommandState, typeof agentToExecutor, CommandArgs>({
  label: 'command executor',
  messages: agentToExecutor,
  machine: commandMachine({ begin, reportRunning, startKilling, reportEnd }),
  handlers: {
    STATUS_TAKEN(state, { uuid }, cx) {
      state.unstored.delete(hex(uuid))
      if (state.exit !== undefined && state.unstored.size === 0) finish(state, cx)
    },
    END_TASK(state, { kill_policy }, cx) {
      kill(state, graceOf(state.args.task, kill_policy), cx)
    },
    END_EXECUTOR(state, { max_grace_ms = Number.POSITIVE_INFINITY }, cx) {
      const { task, place } = state.args
      const own = task.kill_policy?.grace_period
      const graceMs = durationMs(own) ?? Math.min(killGraceMs, place.shutdownGraceMs)
      kill(state, Math.min(graceMs, max_grace_ms), cx)
    },
  },
})

/** The actor of a command task, a child of `args.owner`. */
export function commandExecutor(args: CommandArgs): ChildSpec<CommandArgs> {
  return { id: `executor-${args.container_id}`, behaviour, args }
}

function begin(state: CommandState, cx: Context): void {
  const { recovered } = state.args
  if (!isPast(recovered, 'TASK_STARTING')) report(state, { state: 'TASK_STARTING' }, cx)
  const events: ContainerEvents = {
    started: () => cx.raise({ type: 'STARTED' }),
    ended(status, failure) {
      state.exit = { status, failure }
      cx.raise({ type: 'ENDED' })
    },
  }
  if (recovered !== undefined) recover(state.container, cx, events)
  else launchAs(state, cx, events)
}

function launchAs(state: CommandState, cx: Context, events: ContainerEvents): void {
  const { task, place, switchUser } = state.args
  const command = task.command ?? {}
  const argv = argvOf(command)
  const variables = commandVariables(command)
  if (!argv.ok || !variables.ok) {
    const problem = argv.ok ? variables : argv
    cx.after('refuse', 0, () => events.ended(undefined, problem.ok ? '' : problem.error))
    return
  }
  const role = task.resources?.find((each) => each.allocation_info?.role)?.allocation_info?.role
  const env = {
    ...placeVariables(place),
    MESOS_TASK_ID: task.task_id.value,
    ...(role === undefined ? {} : { MESOS_ALLOCATION_ROLE: role }),
    ...variables.value,
  }
  const owned = ownVolumes(task)
  const start = (user?: User) =>
    launch(state.container, { argv: argv.value, env, ...(user ? { user, owned } : {}) }, cx, events)
  const name = command.user ?? place.framework.user
  if (switchUser && name !== '') asUser(name, start, cx, events)
  else start()
}

/** Where in the sandbox it sees volumes that no other task uses. */
function ownVolumes({ resources = [] }: TaskInfo): string[] {
  return resources.flatMap(({ disk, shared }) => {
    const path = disk?.volume?.container_path
    return disk?.persistence === undefined || path === undefined || shared !== undefined ? [] : path
  })
}

/** Looks the user up; root stays what the agent is. */
function asUser(
  name: string,
  start: (user?: User) => void,
  cx: Context,
  events: ContainerEvents,
): void {
  cx.job(
    () => cx.ports.disk.readFile('/etc/passwd'),
    (outcome) => {
      if (!outcome.ok && !(outcome.error instanceof DiskError)) throw outcome.error
      const user = findUser(outcome.ok ? new TextDecoder().decode(outcome.value) : '', name)
      if (user === undefined) events.ended(undefined, `there is no user ${name} on this host`)
      else if (user.uid === 0) start()
      else start(user)
    },
  )
}

function reportRunning(state: CommandState, cx: Context): void {
  if (!isPast(state.args.recovered, 'TASK_RUNNING')) report(state, { state: 'TASK_RUNNING' }, cx)
  const limitMs = durationMs(state.args.task.max_completion_time)
  if (limitMs !== undefined) {
    const { runningSinceMs = cx.now() } = state.args
    const leftMs = Math.min(limitMs, Math.max(0, runningSinceMs + limitMs - cx.now()))
    cx.after('max completion time', leftMs, () => {
      // No grace, no TASK_KILLING (executor-api.md §9.1).
      if (state.kill === undefined) state.timedOut = true
      signal(state.container, 'SIGKILL', cx)
    })
  }
  if (state.kill !== undefined) cx.raise({ type: 'KILL' })
}

/** Asked to end. A later request may shorten the grace period, never extend it (executor-api.md §9.2). */
function kill(state: CommandState, graceMs: number, cx: Context): void {
  if (state.exit !== undefined || state.timedOut) return
  if (state.kill === undefined) {
    state.kill = { sinceMs: undefined, graceMs }
    cx.raise({ type: 'KILL' })
    return
  }
  if (graceMs >= state.kill.graceMs) return
  state.kill.graceMs = graceMs
  if (state.kill.sinceMs !== undefined) armForce(state, state.kill.sinceMs, cx)
}

function startKilling(state: CommandState, cx: Context): void {
  const { place, recovered } = state.args
  const told = (place.framework.capabilities ?? []).some(
    ({ type }) => type === 'TASK_KILLING_STATE',
  )
  if (told && !isPast(recovered, 'TASK_KILLING')) report(state, { state: 'TASK_KILLING' }, cx)
  if (state.kill === undefined) throw new Error('a task is being killed that nobody asked to kill')
  state.kill.sinceMs = cx.monotonic()
  signal(state.container, 'SIGTERM', cx)
  armForce(state, state.kill.sinceMs, cx)
}

function armForce(state: CommandState, sinceMs: number, cx: Context): void {
  const graceMs = state.kill?.graceMs ?? 0
  cx.after('force', Math.max(0, sinceMs + graceMs - cx.monotonic()), () =>
    signal(state.container, 'SIGKILL', cx),
  )
}

function reportEnd(state: CommandState, cx: Context): void {
  report(state, terminalStatus(state), cx)
}

function report(
  state: CommandState,
  status: Pick<TaskStatus, 'state'> & Partial<TaskStatus>,
  cx: Context,
): void {
  const { args, container } = state
  const uuid = uuidBytes(cx.newId())
  state.unstored.add(hex(uuid))
  cx.send(args.owner, ReportStatus, {
    framework_id: args.place.framework.id ?? { value: '' },
    executor_id: { value: args.place.executor_id },
    status: {
      ...status,
      task_id: args.task.task_id,
      source: 'SOURCE_EXECUTOR',
      timestamp: cx.now() / 1000,
      uuid,
      container_status: {
        container_id: { value: args.container_id },
        ...(container.pid === undefined ? {} : { executor_pid: container.pid }),
      },
    },
  })
}

function finish(state: CommandState, cx: Context): void {
  const { args, exit } = state
  cx.send(args.owner, ExecutorEnded, {
    framework_id: args.place.framework.id ?? { value: '' },
    executor_id: { value: args.place.executor_id },
    status: exit?.status ?? -1,
  })
  cx.raise({ type: 'TAKEN' })
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** The 16 bytes of a UUID's text. */
export function uuidBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll('-', ''), 'hex'))
}
