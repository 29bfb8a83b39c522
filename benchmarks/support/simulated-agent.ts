/**
 * A simulated agent: it speaks the agent's protocol as a real one does and runs nothing. Its tasks are
 * RUNNING at once and FINISHED after a time that is set for the whole run.
 *
 * Left out, because no figure depends on it: checkpoints, the ping time-out (the broken link tells of a
 * lost master), and repeating a status by time (it is repeated when the agent or the framework is back).
 * Spec: agent.md §2, §5-7; states.md §6.
 */
import {
  masterToAgent,
  Pong,
  RegisterAgent,
  ReregisterAgent,
  type RunningExecutor,
  type RunTasks,
  StatusUpdate,
} from '../../protocol/agent.ts'
import { LeaderFound } from '../../protocol/detector.ts'
import type { Leader } from '../../protocol/leader.ts'
import type { Payload } from '../../protocol/message.ts'
import type { ExecutorInfo } from '../../protocol/v1/command.ts'
import type { FrameworkInfo } from '../../protocol/v1/framework.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import { isTerminal, type TaskState, type TaskStatus } from '../../protocol/v1/status.ts'
import type { Task, TaskInfo } from '../../protocol/v1/task.ts'
import { type ChildSpec, type Context, type Pid, table } from '../../src/runtime/index.ts'

/** What an agent brings along that was there before the master: the same number for each. */
export interface Inventory {
  readonly frameworks: number
  /** Running, of each of the frameworks. */
  readonly tasks: number
}

/** What all agents of a node have in common; one object for all of them. */
export interface Script {
  readonly resources: readonly Resource[]
  /** From TASK_RUNNING to TASK_FINISHED, ms, of a task whose command is no `sleep`. Negative: never. */
  readonly taskMs: number
  /** Longest wait before the first attempt to register, ms. */
  readonly backoffMs: number
  /** It registers again, with these tasks, as if it had known a former master. */
  readonly inventory?: Inventory
}

interface Args {
  readonly script: Script
  readonly hostname: string
}

interface SimulatedTask {
  readonly info: TaskInfo
  readonly framework: FrameworkInfo
  readonly executor: ExecutorInfo | undefined
  state: TaskState
  /** Not acknowledged; the first one is out. */
  readonly statuses: TaskStatus[]
}

interface State extends Args {
  agentId: string | undefined
  leader: Leader | undefined
  registered: boolean
  /** Framework and task id -> task. Made with the first task: most agents never have one. */
  tasks: Map<string, SimulatedTask> | undefined
}

const version = 'simulated'
/** Pause after the first attempt to register; each is twice the one before, up to the longest (agent.md §2). */
const retryMs = 5000
const retryMaxMs = 60_000

const messages = [...masterToAgent, LeaderFound] as const

const behaviour = table<State, typeof messages, Args>({
  label: 'simulated agent',
  messages,
  init: ({ script, hostname }) => ({
    script,
    hostname,
    agentId: script.inventory && hostname,
    leader: undefined,
    registered: false,
    tasks: script.inventory && tasksBefore(hostname, script.inventory),
  }),
  handlers: {
    LEADER_FOUND(state, leader, cx) {
      state.leader = leader
      state.registered = false
      const backoffMs = Math.max(state.script.backoffMs, leader.registration_spread_ms ?? 0)
      cx.after('register', cx.random.next() * backoffMs, () => register(state, cx))
    },
    PING(state, { connected }, cx) {
      cx.send(cx.from, Pong, {})
      if (!connected && state.registered) register(state, cx)
    },
    RUN_TASKS(state, body, cx) {
      if (obeys(state, body.epoch)) for (const info of body.tasks) launch(state, info, body, cx)
    },
    KILL_TASK(state, { epoch, framework_id, task_id }, cx) {
      const task = state.tasks?.get(keyOf(framework_id.value, task_id.value))
      if (task !== undefined && obeys(state, epoch)) end(state, task, 'TASK_KILLED', cx)
    },
    ACKNOWLEDGE_UPDATE(state, { epoch, framework_id, task_id, uuid }, cx) {
      const key = keyOf(framework_id.value, task_id.value)
      const task = state.tasks?.get(key)
      const [first] = task?.statuses ?? []
      if (task === undefined || first?.uuid === undefined || !obeys(state, epoch)) return
      if (Buffer.compare(first.uuid, uuid) !== 0) return
      task.statuses.shift()
      if (isTerminal(first.state)) state.tasks?.delete(key)
      else sendFirst(state, task, cx)
    },
    DRAIN_AGENT() {},
    // What benchmarks launch needs no reservations and no volumes.
    APPLY_OPERATION() {},
    ACKNOWLEDGE_OPERATION() {},
    FRAMEWORK_MESSAGE() {},
    UPDATE_FRAMEWORK_INFO(state, { epoch, framework_info }, cx) {
      if (!obeys(state, epoch)) return
      for (const task of state.tasks?.values() ?? []) {
        if (task.framework.id?.value === framework_info.id?.value) sendFirst(state, task, cx)
      }
    },
    SHUTDOWN_EXECUTOR(state, { epoch, framework_id, executor_id }, cx) {
      if (!obeys(state, epoch)) return
      for (const task of tasksOf(state, framework_id.value)) {
        if (task.executor?.executor_id.value === executor_id.value) {
          end(state, task, 'TASK_KILLED', cx)
        }
      }
    },
    SHUTDOWN_FRAMEWORK(state, { epoch, framework_id }, cx) {
      if (!obeys(state, epoch)) return
      for (const { info } of tasksOf(state, framework_id.value)) {
        const key = keyOf(framework_id.value, info.task_id.value)
        cx.cancel(key)
        state.tasks?.delete(key)
      }
    },
    SHUTDOWN_AGENT: (_state, _body, cx) => cx.stop(),
  },
  // The fleet hears of it too, finds the leader anew and tells.
  exited(state) {
    state.registered = false
  },
})

/** An agent called `id` for the fleet that spawns it. It waits for LEADER_FOUND. */
export function simulatedAgent(id: string, script: Script): ChildSpec<Args> {
  return { id, behaviour, args: { script, hostname: id }, restart: 'temporary' }
}

function obeys({ leader }: State, epoch: number): boolean {
  return epoch === leader?.epoch
}

function keyOf(frameworkId: string, taskId: string): string {
  return `${frameworkId} ${taskId}`
}

function tasksOf({ tasks }: State, frameworkId: string): SimulatedTask[] {
  return [...(tasks?.values() ?? [])].filter(({ framework }) => framework.id?.value === frameworkId)
}

// ---- registration

function register(state: State, cx: Context, pauseMs = retryMs): void {
  const { leader } = state
  if (leader === undefined) return
  state.registered = false
  const master = leader.pid as Pid
  cx.link(master)
  const { hostname, script, agentId } = state
  const agent_info = { hostname, resources: [...script.resources] }
  const options = { timeoutMs: retryMaxMs }
  if (agentId === undefined) {
    cx.ask(master, RegisterAgent, { agent_info, version }, options, (outcome) => {
      if (outcome.ok) registered(state, leader, outcome.value.agent_id.value, cx)
    })
  } else {
    const body = { ...inventory(state), agent_info: { ...agent_info, id: { value: agentId } } }
    cx.ask(master, ReregisterAgent, body, options, (outcome) => {
      if (outcome.ok) registered(state, leader, agentId, cx)
    })
  }
  const nextMs = Math.min(2 * pauseMs, retryMaxMs)
  cx.after('register', pauseMs, () => register(state, cx, nextMs))
}

function registered(state: State, leader: Leader, agentId: string, cx: Context): void {
  if (state.leader !== leader || state.registered) return
  state.registered = true
  state.agentId = agentId
  cx.cancel('register')
  for (const task of state.tasks?.values() ?? []) sendFirst(state, task, cx)
}

/** All that a master must know of an agent that is back. */
function inventory(state: State): Omit<Payload<typeof ReregisterAgent>, 'agent_info'> {
  const tasks: Task[] = []
  const executors = new Map<string, RunningExecutor>()
  const frameworks = new Map<string, FrameworkInfo>()
  for (const { info, framework, executor, state: taskState } of state.tasks?.values() ?? []) {
    const framework_id = framework.id!
    const { name, task_id, agent_id, resources = [], labels } = info
    tasks.push({
      ...{ name, task_id, agent_id, framework_id, resources, state: taskState },
      ...(labels !== undefined && { labels }),
      ...(executor !== undefined && { executor_id: executor.executor_id }),
    })
    frameworks.set(framework_id.value, framework)
    if (executor === undefined) continue
    const key = keyOf(framework_id.value, executor.executor_id.value)
    executors.set(key, { framework_id, executor_info: executor })
  }
  return {
    version,
    tasks,
    executors: [...executors.values()],
    frameworks: [...frameworks.values()],
  }
}

// ---- tasks

/** Those that run already; described as in Mesos' benchmarks of re-registration (allocator.md §16). */
function tasksBefore(agentId: string, { frameworks, tasks }: Inventory) {
  const resources: Resource[] = [
    { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 }, allocation_info: { role: '*' } },
    { name: 'mem', type: 'SCALAR', scalar: { value: 5 }, allocation_info: { role: '*' } },
  ]
  const labels = Array.from({ length: LABELS }, (_, at) => ({ key: `key-${at}`, value: 'value' }))
  const running = new Map<string, SimulatedTask>()
  for (let framework = 0; framework < frameworks; framework++) {
    const framework_id = { value: `framework-${framework}` }
    const info = { id: framework_id, user: 'root', name: framework_id.value, checkpoint: true }
    for (let task = 0; task < tasks; task++) {
      const id = `${agentId}-${framework}-${task}`
      running.set(keyOf(framework_id.value, id), {
        info: {
          ...{ name: id, task_id: { value: id }, agent_id: { value: agentId }, resources },
          labels: { labels },
        },
        framework: info,
        executor: undefined,
        state: 'TASK_RUNNING',
        statuses: [],
      })
    }
  }
  return running
}

const LABELS = 10

function launch(
  state: State,
  info: TaskInfo,
  { framework_info: framework, executor }: Payload<typeof RunTasks>,
  cx: Context,
): void {
  const key = keyOf(framework.id?.value ?? '', info.task_id.value)
  state.tasks ??= new Map()
  if (state.tasks.has(key)) return
  const task: SimulatedTask = { info, framework, executor, state: 'TASK_STAGING', statuses: [] }
  state.tasks.set(key, task)
  report(state, task, 'TASK_RUNNING', cx)
  const taskMs = durationOf(info) ?? state.script.taskMs
  if (taskMs >= 0) cx.after(key, taskMs, () => end(state, task, 'TASK_FINISHED', cx))
}

/** What a command says that does nothing but wait, ms. */
function durationOf({ command }: TaskInfo): number | undefined {
  const seconds = /^sleep (\d+(?:\.\d+)?)$/.exec(command?.value ?? '')?.[1]
  return seconds === undefined ? undefined : Number(seconds) * 1000
}

function end(state: State, task: SimulatedTask, last: TaskState, cx: Context): void {
  if (isTerminal(task.state)) return
  cx.cancel(keyOf(task.framework.id?.value ?? '', task.info.task_id.value))
  report(state, task, last, cx)
}

/** Queues a status behind those that are not acknowledged; only the first one is ever out. */
function report(state: State, task: SimulatedTask, next: TaskState, cx: Context): void {
  task.state = next
  task.statuses.push({
    task_id: task.info.task_id,
    state: next,
    source: 'SOURCE_EXECUTOR',
    agent_id: task.info.agent_id,
    timestamp: cx.now() / 1000,
    uuid: cx.random.bytes(16),
  })
  if (task.statuses.length === 1) sendFirst(state, task, cx)
}

function sendFirst({ leader, registered }: State, task: SimulatedTask, cx: Context): void {
  const [status] = task.statuses
  if (status === undefined || leader === undefined || !registered) return
  const framework_id = task.framework.id!
  const body = { framework_id, status, latest_state: task.state }
  cx.send(leader.pid as Pid, StatusUpdate, body)
}
