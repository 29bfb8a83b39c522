/** What the rules look for in the message log, and what they keep of it for one run. */
import type { Calls } from '../../actors/master/internal.ts'
import type { MasterState } from '../../actors/master/state.ts'
import type { RegistrarState } from '../../actors/registrar/state.ts'
import type {
  AcknowledgeUpdate,
  KillTask,
  RunTasks,
  ShutdownFramework,
} from '../../protocol/agent.ts'
import { CLOCK_DRIFT } from '../../protocol/log.ts'
import type { Payload } from '../../protocol/message.ts'
import type { ApplyRegistry, Registry } from '../../protocol/registrar.ts'
import type { AcknowledgeStream, CleanUpStreams, ForwardUpdate } from '../../protocol/updates.ts'
import { allocationWatchers } from './allocation-watchers.ts'
import { CallHistory } from './call-rules.ts'
import type { Cluster } from './cluster.ts'
import type { SimulatedHost } from './host.ts'
import { logWatchers } from './log-watchers.ts'
import { MessageLog, type Watcher } from './message-log.ts'
import { RoleLimits } from './offer-rules.ts'
import { type Settings, settingsOf } from './pace.ts'
import { RegistryHistory } from './registry-rules.ts'
import { ReignHistory } from './reign-rules.ts'
import { UpdateHistory } from './update-rules.ts'
import { agentStateOf, stateOf } from './views.ts'

/** Longer than any run, s. */
const dayS = 86_400

/** Of one run. */
export interface Watched {
  readonly registry: RegistryHistory
  readonly updates: UpdateHistory
  readonly reigns: ReignHistory
  readonly limits: RoleLimits
}

const known = new WeakMap<Cluster, Watched>()

/** Begins to watch a cluster, once: before its hosts are started, or what they begin with is missed. */
export function watch(cluster: Cluster): Watched {
  const found = known.get(cluster)
  if (found !== undefined) return found
  const histories = {
    registry: new RegistryHistory(),
    updates: new UpdateHistory(),
    reigns: new ReignHistory(),
    limits: new RoleLimits(),
  }
  new MessageLog(cluster, [
    ...registryWatchers(cluster, histories.registry, histories.reigns),
    ...agentWatchers(histories.updates, histories.reigns),
    ...callWatchers(new CallHistory(), settingsOf(cluster.plan)),
    ...logWatchers(cluster),
    ...allocationWatchers(),
  ])
  known.set(cluster, histories)
  return histories
}

function registryWatchers(
  { clock }: Cluster,
  registry: RegistryHistory,
  reigns: ReignHistory,
): Array<[string, Watcher]> {
  return [
    ['RECOVER_REGISTRY', () => (value) => registry.recovered(value as Registry)],
    [
      'APPLY_REGISTRY',
      (host, { from, body }) => {
        const state = stateOf<RegistrarState>(host, 'registrar')
        // It refuses whom it has not told the registry, and then changes nothing.
        if (state === undefined || !state.ready || state.master !== from) return undefined
        const { epoch } = state.contents
        const { operations } = body as Payload<typeof ApplyRegistry>
        const write = registry.asked(epoch, operations)
        for (const operation of operations)
          if (operation.type === 'MARK_UNREACHABLE')
            reigns.givesUp(host.name, operation.agent_id.value, clock.monotonic(), pingsMsOf(host))
        return write && (() => registry.answered(epoch, write))
      },
    ],
  ]
}

/** How long a master pings an agent before it gives it up, ms of true time at least. */
function pingsMsOf(host: SimulatedHost): number {
  const options = stateOf<MasterState>(host, 'master')?.options
  if (options === undefined) return 0
  const { agent_ping_timeout_ms, max_agent_ping_timeouts } = options
  return (agent_ping_timeout_ms * max_agent_ping_timeouts) / (1 + CLOCK_DRIFT)
}

function agentWatchers(updates: UpdateHistory, reigns: ReignHistory): Array<[string, Watcher]> {
  const ordered = (host: SimulatedHost, what: string, epoch: number) => {
    const agent = agentStateOf(host)
    if (agent !== undefined) reigns.ordered(host.name, what, { epoch, known: agent.epoch })
  }
  return [
    [
      'FORWARD_UPDATE',
      (host, { body }) => {
        const { framework_id, status } = body as Payload<typeof ForwardUpdate>
        const task = `${framework_id.value}/${status.task_id.value}`
        const uuid = Buffer.from(status.uuid ?? [])
        updates.forwarded(host.name, task, uuid.toString('hex'), copiesOnDisk(host, task, uuid))
      },
    ],
    [
      'CLEAN_UP_STREAMS',
      ({ name }, { body }) => {
        const { framework_id } = body as Payload<typeof CleanUpStreams>
        updates.abandoned(name, framework_id.value)
      },
    ],
    [
      'ACKNOWLEDGE_UPDATE',
      (host, { body }) => {
        const { epoch, ...status } = body as Payload<typeof AcknowledgeUpdate>
        const { task, uuid } = acknowledged(status)
        updates.acknowledged(task, uuid)
        ordered(host, `acknowledge ${task} ${uuid}`, epoch)
      },
    ],
    [
      'ACKNOWLEDGE_STREAM',
      (host, { body }) => {
        const { task, uuid } = acknowledged(body as Payload<typeof AcknowledgeStream>)
        reigns.done(host.name, `acknowledge ${task} ${uuid}`)
      },
    ],
    [
      'RUN_TASKS',
      (host, { body }) => {
        const { epoch, tasks } = body as Payload<typeof RunTasks>
        const agent = agentStateOf(host)
        if (agent === undefined) return
        const ids = tasks.map(({ task_id }) => task_id.value)
        // A copy of what it has taken already changes nothing.
        const held = new Set(
          [...agent.frameworks.values()].flatMap((each) => [...each.tasks.keys()]),
        )
        const fresh = ids.filter((id) => !held.has(id))
        reigns.launched(host.name, fresh, { epoch, known: agent.epoch })
      },
    ],
    [
      'KILL_TASK',
      (host, { body }) => {
        const { epoch, task_id } = body as Payload<typeof KillTask>
        ordered(host, `kill ${task_id.value}`, epoch)
      },
    ],
    [
      'END_TASK',
      (host, { to }) => {
        const agent = agentStateOf(host)
        // One that drains ends all of them by itself.
        if (agent === undefined || agent.drain !== undefined) return
        for (const { executors } of agent.frameworks.values())
          for (const { pid, tasks } of executors.values())
            if (pid === to) for (const task of tasks.keys()) reigns.done(host.name, `kill ${task}`)
      },
    ],
  ]
}

/** Which status of which task is meant. */
function acknowledged({ framework_id, task_id, uuid }: Payload<typeof AcknowledgeStream>) {
  const task = `${framework_id.value}/${task_id.value}`
  return { task, uuid: Buffer.from(uuid).toString('hex') }
}

function callWatchers(calls: CallHistory, { failoverSeconds }: Settings): Array<[string, Watcher]> {
  // Where a framework may be away for too long, its end need not be asked for.
  const isEndAsked = failoverSeconds > dayS
  return [
    [
      'CALLS',
      (_, { body }) => {
        for (const call of (body as Payload<typeof Calls>).calls) calls.heard(call)
      },
    ],
    [
      'KILL_TASK',
      (_, { body }) => {
        const { framework_id, task_id } = body as Payload<typeof KillTask>
        calls.killed(framework_id.value, task_id.value)
      },
    ],
    [
      'SHUTDOWN_FRAMEWORK',
      (_, { body }) => {
        const { framework_id } = body as Payload<typeof ShutdownFramework>
        if (isEndAsked) calls.removed(framework_id.value)
      },
    ],
  ]
}

/** How often the stream of a task holds a status, where a crash could not take it away. */
function copiesOnDisk({ storage }: SimulatedHost, task: string, uuid: Buffer): number {
  const disk = storage.contents('/a/meta')
  let copies = 0
  for (let number = 0; ; number++) {
    const value = disk.get(`stream/${task}/${String(number).padStart(8, '0')}`)
    if (value === undefined) return copies
    if (Buffer.from(value.buffer, value.byteOffset, value.byteLength).includes(uuid)) copies++
  }
}
