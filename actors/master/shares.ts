/** Accounts: who uses how much of which agent, as the allocator is told. Spec: master.md §10, §19 (2). */
import type { Share } from '../../protocol/allocator.ts'
import { type ExecutorInfo, isTerminal, type Resource, type Task } from '../../protocol/v1/index.ts'
import {
  add,
  merge,
  multiply,
  none,
  type Resources,
  resources,
  toWire,
} from '../../src/resources/index.ts'
import { type Agent, withoutAllocation } from './state.ts'

/** Whether a task still holds its resources (states.md §1). */
export function holdsResources({ state }: Pick<Task, 'state'>): boolean {
  return !isTerminal(state) && state !== 'TASK_UNREACHABLE'
}

/** What is allocated to one framework on one agent; nothing for an empty list. */
export function sharesOf(
  frameworkId: string,
  agentId: string,
  list: readonly Resource[] | undefined,
): Share[] {
  const byRole = new Map<string, Resource[]>()
  for (const resource of list ?? []) {
    const role = resource.allocation_info?.role ?? '*'
    const rest = withoutAllocation(resource)
    const known = byRole.get(role)
    if (known === undefined) byRole.set(role, [rest])
    else known.push(rest)
  }
  return [...byRole].map(([role, parts]) => ({
    framework_id: frameworkId,
    role,
    agent_id: agentId,
    resources: [...resources(parts)],
  }))
}

export function taskShares({ framework_id, agent_id, resources }: Task): Share[] {
  return sharesOf(framework_id.value, agent_id.value, resources)
}

/** Everything that tasks and executors use on an agent. */
export function agentShares(agent: Agent): Share[] {
  const shares: Share[] = []
  for (const task of agent.tasks) if (holdsResources(task)) shares.push(...taskShares(task))
  for (const [frameworkId, executors] of agent.executors) {
    for (const { resources } of executors.values()) {
      shares.push(...sharesOf(frameworkId, agent.id, resources))
    }
  }
  return shares
}

/** The same, summed up for people. */
export function allocatedOnAgent(agent: Agent): Resource[] {
  return documents(allocations(agent.tasks, [...agent.executors.values()].flatMap(values)))
}

/** What tasks and executors of any framework use there, without allocation. */
export function usedOnAgent(agent: Agent): Resources {
  return merge(agentShares(agent).flatMap(({ resources }) => resources))
}

export function offeredOnAgent(agent: Agent): Resource[] {
  return documents(merge([...agent.offers].flatMap(({ share }) => share.resources)))
}

/** A collection in the form that operators read. */
export function documents(collection: Resources): Resource[] {
  const written = toWire(collection, 'endpoint')
  return written.ok ? written.value : []
}

function allocations(tasks: Iterable<Task>, executors: readonly ExecutorInfo[]): Resources {
  const tally: Tally = new Map()
  for (const task of tasks) if (holdsResources(task)) count(tally, task.resources)
  for (const { resources } of executors) count(tally, resources)
  let all = none
  for (const [list, times] of tally) all = addTimes(all, list, times)
  return all
}

/** How often each list of resources occurs: there are far fewer than tasks, since equal ones are interned. */
export type Tally = Map<readonly Resource[], number>

export function count<List>(tally: Map<List, number>, list: List | undefined): void {
  if (list !== undefined) tally.set(list, (tally.get(list) ?? 0) + 1)
}

/** What there is together with so many lists like this one, without allocation. */
export function addTimes(all: Resources, list: readonly Resource[], times: number): Resources {
  return add(all, multiply(merge(list.map(withoutAllocation)), times))
}

function values<T>(map: ReadonlyMap<string, T> | undefined): T[] {
  return map === undefined ? [] : [...map.values()]
}
