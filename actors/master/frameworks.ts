/**
 * The life of frameworks between subscriptions: disconnection, the failover time-out, the end.
 * Spec: master.md §8, scheduler-api.md §2.
 */
import { ShutdownFramework } from '../../protocol/agent.ts'
import {
  AddFramework,
  DeactivateFramework,
  type FrameworkOptions,
  RemoveFramework,
} from '../../protocol/allocator.ts'
import type { FrameworkInfo } from '../../protocol/v1/index.ts'
import { type Context, inSlices } from '../../src/runtime/index.ts'
import { frameworkDocument } from './documents.ts'
import { settleDrains } from './drain.ts'
import { announce } from './events.ts'
import { noteFramework } from './intake.ts'
import { discardInverseOffers } from './inverse-offers.ts'
import { stopHeartbeats } from './liveness.ts'
import { count } from './metrics.ts'
import { discardOffers, rescindOffers } from './offers.ts'
import { type Framework, type MasterState, newFramework } from './state.ts'
import { withoutEntry } from './tables.ts'
import { completeTask } from './tasks.ts'

/** A framework that only its agents know so far. */
export function recoverFramework(state: MasterState, info: FrameworkInfo, cx: Context): Framework {
  const framework = newFramework(state, info)
  cx.send(state.allocator, AddFramework, {
    framework: frameworkOptions(framework),
    active: false,
    used: [],
  })
  announceFramework(state, 'FRAMEWORK_ADDED', framework, cx)
  return framework
}

/** What the allocator must know of a framework. */
export function frameworkOptions(framework: Framework): FrameworkOptions {
  const { info, constraints } = framework
  return {
    framework_id: framework.id,
    roles: [...framework.roles],
    suppressed_roles: [...framework.suppressedRoles],
    capabilities: [...framework.capabilities],
    ...(info.offer_filters && { offer_filters: info.offer_filters }),
    ...(constraints && { offer_constraints: constraints }),
  }
}

/** Nobody listens any more: no offers, and its tasks live on for its failover time-out. */
export function disconnectFramework(
  state: MasterState,
  framework: Framework,
  why: string,
  cx: Context,
): void {
  stopHeartbeats(framework, cx)
  // First, or it would be told of each offer that is withdrawn from it.
  framework.phase = 'disconnected'
  rescindOffers(state, [...framework.offers], cx)
  discardInverseOffers(state, framework, cx)
  const framework_id = { value: framework.id }
  cx.send(state.allocator, DeactivateFramework, { framework_id: framework.id })
  cx.log('info', 'framework disconnected', { framework: framework.id, why })
  announce(
    state,
    'framework',
    framework.id,
    {
      type: 'FRAMEWORK_DISCONNECTED',
      framework_disconnected: { framework_id },
    },
    cx,
  )
  const failoverMs = Math.max(0, framework.info.failover_timeout ?? 0) * 1000
  if (failoverMs === 0) removeFramework(state, framework, 'failover time-out', cx)
  else startFailoverTimer(state, framework, failoverMs, cx)
}

/** Timers of the platform hold 2^31 - 1 ms; a longer time-out is waited for in steps. */
const TIMER_MS_MAX = 2 ** 31 - 1

function startFailoverTimer(
  state: MasterState,
  framework: Framework,
  leftMs: number,
  cx: Context,
): void {
  const stepMs = Math.min(leftMs, TIMER_MS_MAX)
  cx.after(failoverTimer(framework), stepMs, () => {
    if (leftMs > stepMs) startFailoverTimer(state, framework, leftMs - stepMs, cx)
    else removeFramework(state, framework, 'failover time-out', cx)
  })
}

export function stopFailoverTimer(framework: Framework, cx: Context): void {
  cx.cancel(failoverTimer(framework))
}

function failoverTimer({ id }: Framework): string {
  return `failover ${id}`
}

/** The end of a framework. Its tasks are killed; no updates are sent of that (scheduler-api.md §2). */
export function removeFramework(
  state: MasterState,
  framework: Framework,
  why: string,
  cx: Context,
): void {
  stopHeartbeats(framework, cx)
  stopFailoverTimer(framework, cx)
  discardOffers(state, [...framework.offers], cx)
  discardInverseOffers(state, framework, cx)
  for (const agent of state.agents.values()) {
    agent.executors = withoutEntry(agent.executors, framework.id)
    agent.inverseAnswers = withoutEntry(agent.inverseAnswers, framework.id)
  }
  endTasks(state, framework, cx)
  cx.send(state.allocator, RemoveFramework, { framework_id: framework.id })
  noteFramework(framework, false, cx)
  state.frameworks.delete(framework.id)
  inSlices(tellAgents(state, framework, cx), cx)
  state.completedFrameworks.set(framework.id, {
    info: framework.info,
    registeredMs: framework.registeredMs,
    unregisteredMs: cx.now(),
    tasks: framework.completed,
  })
  settleDrains(state, cx)
  count(state, 'master/frameworks_removed')
  cx.log('info', 'framework removed', { framework: framework.id, why })
  announce(
    state,
    'framework',
    framework.id,
    {
      type: 'FRAMEWORK_REMOVED',
      framework_removed: { framework_info: framework.info },
    },
    cx,
  )
}

/** Its agents end what it runs; those that come back later are told then (reregistration.ts). */
function* tellAgents(state: MasterState, framework: Framework, cx: Context): Generator<void, void> {
  const framework_id = { value: framework.id }
  for (const { connected, pid } of state.agents.values()) {
    if (connected) cx.send(pid, ShutdownFramework, { epoch: state.epoch, framework_id })
    yield
  }
}

/** There may be any number; only the last ones are kept, as completed. */
function endTasks(state: MasterState, framework: Framework, cx: Context): void {
  const { tasks, unreachable } = framework
  const surplus = tasks.size + unreachable.size - state.options.max_completed_tasks_per_framework
  const timestamp = cx.now() / 1000
  let index = 0
  for (const task of [...tasks.values(), ...unreachable.values()]) {
    if (index++ < surplus) {
      state.agents.get(task.agent_id.value)?.tasks.delete(task)
      continue
    }
    task.state = 'TASK_KILLED'
    const reason = 'REASON_FRAMEWORK_REMOVED'
    const source = 'SOURCE_MASTER'
    const status = { task_id: task.task_id, state: task.state, reason, source, timestamp } as const
    task.statuses = [...(task.statuses ?? []), status]
    completeTask(state, framework, task)
  }
  tasks.clear()
}

export function announceFramework(
  state: MasterState,
  type: 'FRAMEWORK_ADDED' | 'FRAMEWORK_UPDATED',
  framework: Framework,
  cx: Context,
): void {
  const body = { framework: frameworkDocument(framework) }
  const event =
    type === 'FRAMEWORK_ADDED' ? { type, framework_added: body } : { type, framework_updated: body }
  announce(state, 'framework', framework.id, event, cx)
}
