/**
 * A node full of simulated agents: `meseta start benchmarks/support/simulated-agents.js --count 1000`.
 * They register under one actor that finds the leader for all of them.
 */
import Type from 'typebox'
import { detector } from '../../actors/detector/index.ts'
import { Detect, detectorToOwner, LeaderFound } from '../../protocol/detector.ts'
import { formatFault, parseResources, resources, toWire } from '../../src/resources/index.ts'
import {
  type ChildSpec,
  child,
  describe,
  nodeModule,
  type Pid,
  table,
} from '../../src/runtime/index.ts'
import { type Script, simulatedAgent } from './simulated-agent.ts'

interface Args {
  readonly script: Script
  readonly count: number
}

interface State {
  readonly detector: Pid
  readonly agents: readonly Pid[]
}

const behaviour = table<State, typeof detectorToOwner, Args>({
  label: 'simulated agents',
  messages: detectorToOwner,
  init: ({ count, script }, cx) => ({
    detector: cx.spawn(detector({ owner: cx.self })),
    agents: Array.from({ length: count }, (_, index) =>
      cx.spawn(simulatedAgent(`${cx.node}-${index}`, script)),
    ),
  }),
  handlers: {
    LEADER_FOUND({ agents }, leader, cx) {
      cx.link(leader.pid as Pid)
      for (const agent of agents) cx.send(agent, LeaderFound, leader)
    },
    // They keep to the former leader until there is another.
    NO_LEADER() {},
  },
  /** The master: all need a leader anew. The detector: so does this. Else an agent that was shut down. */
  exited({ detector }, { pid, reason }, cx) {
    if (pid === detector) throw new Error(`the detector ended: ${describe(reason)}`)
    if (!pid.includes(`@${cx.node}~`)) cx.send(detector, Detect, {})
  },
})

export default nodeModule({
  name: 'simulated-agents',
  summary: 'Agents that speak the protocol and run nothing, for benchmarks.',
  options: Type.Object({
    count: Type.Integer({ description: 'number of agents', default: 100, minimum: 1 }),
    resources: Type.String({
      description: 'what each of them has',
      default: 'cpus:24;mem:4096;disk:4096;ports:[31000-32000]',
    }),
    task_ms: Type.Integer({
      description:
        'how long a task runs, in milliseconds, if its command is not `sleep SECONDS`; -1: for ever',
      default: 0,
      minimum: -1,
    }),
    registration_backoff_ms: Type.Integer({
      description: 'longest wait before the first attempt to register, in milliseconds',
      default: 1000,
      minimum: 0,
    }),
    frameworks: Type.Integer({
      description: 'frameworks of which each agent runs tasks already when it first registers',
      default: 0,
      minimum: 0,
    }),
    tasks: Type.Integer({
      description: 'running tasks of each of these frameworks on each agent',
      default: 0,
      minimum: 0,
    }),
  }),
  children({
    count,
    resources: text,
    task_ms,
    registration_backoff_ms,
    frameworks,
    tasks,
  }): ChildSpec[] {
    const parsed = parseResources(text)
    if (!parsed.ok) throw new Error(`resources: ${formatFault(parsed.error)}`)
    const wire = toWire(resources(parsed.value), 'post')
    if (!wire.ok) throw new Error(`resources: ${formatFault(wire.error)}`)
    const script: Script = {
      resources: wire.value,
      taskMs: task_ms,
      backoffMs: registration_backoff_ms,
      ...(frameworks > 0 && { inventory: { frameworks, tasks } }),
    }
    return [child({ id: 'fleet', behaviour, args: { script, count }, restart: 'permanent' })]
  },
})
