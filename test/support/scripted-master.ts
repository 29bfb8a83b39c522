/**
 * A master for tests of agents: an actor that admits whoever asks, pings, acknowledges every status (if
 * told to), and remembers what it heard. Tests send the agent commands through it.
 */
import {
  AcknowledgeUpdate,
  agentToMaster,
  KillTask,
  Ping,
  RunTasks,
  type StatusUpdate,
} from '../../protocol/agent.ts'
import type { Failure } from '../../protocol/errors.ts'
import { encode, type Message, type Payload, subjects } from '../../protocol/index.ts'
import type { FrameworkInfo } from '../../protocol/v1/framework.ts'
import type { TaskState, TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Cell } from '../../src/runtime/cell.ts'
import {
  type ChildSpec,
  child,
  type Node,
  nameOf,
  type Pid,
  table,
} from '../../src/runtime/index.ts'

export interface ScriptedMaster {
  readonly spec: ChildSpec
  readonly epoch: number
  /** What it heard, oldest first. */
  readonly heard: Array<{ readonly type: string; readonly body: unknown; readonly from: Pid }>
  /** Statuses in the order in which they came, repeats too. */
  readonly updates: Array<Payload<typeof StatusUpdate>>
  readonly agents: Map<string, Pid>
  /** Acknowledges every status. Default: true. */
  acknowledges: boolean
  /** Answers who asks for the leader. Default: true. */
  answers: boolean
  /** Time over which agents are to register, ms. Default: 0. */
  spreadMs: number
  /** Answers attempts to register. Default: true. */
  admits: boolean
  /** With what it refuses whoever comes back. Default: nothing. */
  refusal: Failure | undefined
  /** Given back at re-registration. */
  reconcile: Array<{ framework_id: { value: string }; task_id: { value: string } }>
  statusesOf(task: string): TaskState[]
  lastStatus(task: string): TaskStatus | undefined
  /** Sends a command to the only agent. */
  send<M extends Message>(node: Node, message: M, body: Payload<M>): void
  run(node: Node, tasks: readonly TaskInfo[], rest?: Partial<Payload<typeof RunTasks>>): void
  kill(node: Node, task: string, graceMs?: number): void
  acknowledge(node: Node, status: TaskStatus, framework?: string): void
  ping(node: Node, connected?: boolean): void
}

export const testFramework: FrameworkInfo = {
  user: 'root',
  name: 'test',
  id: { value: 'F1' },
  checkpoint: true,
  capabilities: [{ type: 'PARTITION_AWARE' }, { type: 'TASK_KILLING_STATE' }],
}

export function commandTask(id: string, command: string, more: Partial<TaskInfo> = {}): TaskInfo {
  return {
    name: id,
    task_id: { value: id },
    agent_id: { value: 'A1' },
    command: { value: command },
    resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } }],
    ...more,
  }
}

export function scriptedMaster({ epoch = 1, agentId = 'A1' } = {}): ScriptedMaster {
  const heard: ScriptedMaster['heard'] = []
  const updates: ScriptedMaster['updates'] = []
  const agents = new Map<string, Pid>()
  const behaviour = table<object, typeof agentToMaster>({
    label: 'scripted master',
    messages: agentToMaster,
    init(_, cx) {
      const master_info = { id: `M${epoch}`, ip: 0, port: 0 }
      const names = subjects(cx.cluster)
      cx.subscribe(names.leader, ({ reply }) => {
        if (reply === undefined || !master.answers) return
        const registration_spread_ms = master.spreadMs
        cx.publish(reply, encode({ pid: cx.self, epoch, master_info, registration_spread_ms }))
      })
      const event = { type: 'LEADER_ELECTED', leader_elected: { master_info } }
      cx.publish(names.event('leader', master_info.id), encode(event))
      return {}
    },
    exited: () => undefined,
    handlers: {
      REGISTER_AGENT(_, body, cx) {
        heard.push({ type: 'REGISTER_AGENT', body, from: cx.from })
        if (!master.admits) return
        agents.set(agentId, cx.from)
        cx.reply({ agent_id: { value: agentId }, epoch, total_ping_timeout_ms: 75_000 })
      },
      REREGISTER_AGENT(_, body, cx) {
        heard.push({ type: 'REREGISTER_AGENT', body, from: cx.from })
        if (master.refusal !== undefined) cx.refuse(master.refusal)
        if (!master.admits || master.refusal !== undefined) return
        agents.set(agentId, cx.from)
        const agent_id = body.agent_info.id
        const { reconcile } = master
        cx.reply({ agent_id, epoch, total_ping_timeout_ms: 75_000, reconcile })
      },
      UNREGISTER_AGENT: (_, body, cx) =>
        void heard.push({ type: 'UNREGISTER_AGENT', body, from: cx.from }),
      STATUS_UPDATE(_, body, cx) {
        updates.push(body)
        const { framework_id, status } = body
        const { task_id, uuid } = status
        if (!master.acknowledges || uuid === undefined) return
        cx.send(cx.from, AcknowledgeUpdate, { epoch, framework_id, task_id, uuid })
      },
      OPERATION_UPDATE: (_, body, cx) =>
        void heard.push({ type: 'OPERATION_UPDATE', body, from: cx.from }),
      UPDATE_RESOURCES: (_, body, cx) =>
        void heard.push({ type: 'UPDATE_RESOURCES', body, from: cx.from }),
      UPDATE_OVERSUBSCRIBED: (_, body, cx) =>
        void heard.push({ type: 'UPDATE_OVERSUBSCRIBED', body, from: cx.from }),
      EXITED_EXECUTOR: (_, body, cx) =>
        void heard.push({ type: 'EXITED_EXECUTOR', body, from: cx.from }),
      EXECUTOR_MESSAGE: (_, body, cx) =>
        void heard.push({ type: 'EXECUTOR_MESSAGE', body, from: cx.from }),
      DISK_AGED: (_, body, cx) => void heard.push({ type: 'DISK_AGED', body, from: cx.from }),
      PONG: (_, body, cx) => void heard.push({ type: 'PONG', body, from: cx.from }),
    },
  })
  const master: ScriptedMaster = {
    spec: child({ id: 'master', behaviour, args: undefined, restart: 'permanent' }),
    epoch,
    heard,
    updates,
    agents,
    acknowledges: true,
    answers: true,
    spreadMs: 0,
    admits: true,
    refusal: undefined,
    reconcile: [],
    statusesOf: (task) =>
      updates
        .filter(({ status }) => status.task_id.value === task)
        .map(({ status }) => status.state),
    lastStatus: (task) => updates.findLast(({ status }) => status.task_id.value === task)?.status,
    send(node, message, body) {
      const cell = node.cell('master') as Cell
      const agent = agents.get(agentId)
      if (agent === undefined) throw new Error('no agent has registered')
      node.call(cell, () => cell.send(agent, message, body))
    },
    run(node, tasks, rest = {}) {
      master.send(node, RunTasks, {
        epoch,
        framework_info: testFramework,
        tasks: [...tasks],
        launch_executor: true,
        group: false,
        ...rest,
      })
    },
    kill(node, task, graceMs) {
      master.send(node, KillTask, {
        epoch,
        framework_id: { value: 'F1' },
        task_id: { value: task },
        ...(graceMs === undefined
          ? {}
          : { kill_policy: { grace_period: { nanoseconds: graceMs * 1e6 } } }),
      })
    },
    acknowledge(node, { task_id, uuid = new Uint8Array(16) }, framework = 'F1') {
      const framework_id = { value: framework }
      master.send(node, AcknowledgeUpdate, { epoch, framework_id, task_id, uuid })
    },
    ping(node, connected = true) {
      master.send(node, Ping, { epoch, connected })
    },
  }
  return master
}

export { nameOf }
