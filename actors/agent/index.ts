/**
 * The agent: it offers a host's resources to the leading master, runs the tasks that come, and tells how
 * they ended. Its children are the detector, the status-update manager and one actor an executor. What
 * must survive is on disk before anyone is told; if the agent or one of the first two crashes, all are
 * started anew and recover from there, because memory that led to a crash is not trusted. Commands and
 * executors live on meanwhile under their shims. Spec: agent.md.
 */
import { masterToAgent } from '../../protocol/agent.ts'
import { executorToAgent } from '../../protocol/container.ts'
import { detectorToOwner } from '../../protocol/detector.ts'
import { updatesToAgent } from '../../protocol/updates.ts'
import {
  type ChildSpec,
  child,
  describe,
  isOrderly,
  nodeModule,
  statechart,
} from '../../src/runtime/index.ts'
import { draining } from './drain.ts'
import { actorCrashed, executors } from './executors.ts'
import { ending, frameworkUpdates, terminate } from './kill.ts'
import { launching } from './launch.ts'
import { agentMachine } from './machine.ts'
import { operations } from './operations.ts'
import { AgentOptions } from './options.ts'
import { type AgentArgs, prepareAgent } from './prepare.ts'
import { recover, recovery } from './recovery.ts'
import { detect, disconnected, masterLost, obeys, registration, running } from './registration.ts'
import type { AgentState } from './state.ts'
import { acknowledge, statuses } from './statuses.ts'
import { endTasks, stop, stopMs } from './stop.ts'

const messages = [
  ...masterToAgent,
  ...detectorToOwner,
  ...updatesToAgent,
  ...executorToAgent,
] as const

const behaviour = statechart<AgentState, typeof messages, AgentArgs>({
  label: 'agent',
  messages,
  machine: agentMachine({ recover, detect, disconnected, running, endTasks, terminate }),
  handlers: {
    ...registration,
    ...recovery,
    ...launching,
    ...operations,
    ...ending,
    ...draining,
    ...frameworkUpdates,
    ...executors,
    ...statuses,
    ACKNOWLEDGE_UPDATE(state, body, cx) {
      if (obeys(state, body.epoch, cx)) acknowledge(state, body, cx)
    },
  },
  exited(state, notice, cx) {
    if (masterLost(state, notice, cx) || state.stop === 'CLOSING') return
    const { pid, reason } = notice
    if (pid === state.detector || pid === state.updates) {
      throw new Error(`${pid} ended: ${describe(reason)}`)
    }
    for (const { executors } of state.frameworks.values()) {
      for (const executor of executors.values()) {
        if (executor.pid === pid && !isOrderly(reason)) {
          actorCrashed(state, executor, describe(reason), cx)
          return
        }
      }
    }
  },
  stopping: stop,
})

/** An agent on prepared arguments. One a node. */
export function agent(args: AgentArgs): ChildSpec {
  return child({
    id: 'agent',
    behaviour,
    args,
    restart: 'transient',
    // A master that does not want it any more ends it, and a host without its agent needs no node.
    significant: true,
    shutdownMs: stopMs(args.options),
    backoff: { minMs: 100, maxMs: 10_000 },
  })
}

export { AgentOptions } from './options.ts'
export { type AgentArgs, prepareAgent } from './prepare.ts'

export default nodeModule({
  name: 'agent',
  summary: "Offers this host's resources to the cluster and runs tasks on them.",
  options: AgentOptions,
  // A store that failed once refuses everything for as long as the process lives: giving up ends it, and
  // its next life opens the store anew. The agent waits longer from crash to crash, hence the period.
  supervision: { intensity: 4, periodMs: 60_000 },
  children: async (options, { ports }) => [agent(await prepareAgent(options, ports))],
})
