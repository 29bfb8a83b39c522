/** What estimators and controllers look at: who has what of the agent, and how busy its host is. */
import {
  filter,
  isRevocable,
  merge,
  type Resources,
  resources,
  unallocate,
} from '../../src/resources/index.ts'
import type { HostUsage } from './host-usage.ts'
import type { AgentState, Executor } from './state.ts'

export interface AgentUsage {
  /** What the agent has of its own: nothing revocable. */
  readonly total: Resources
  /** What tasks and executors hold of that, and what revocable they hold. */
  readonly allocated: Resources
  readonly revocable: Resources
  /** Since the last look; unknown at first, and where the host does not tell. */
  readonly host: HostUsage | undefined
  /** Oldest first. */
  readonly executors: readonly ExecutorUsage[]
}

export interface ExecutorUsage {
  readonly framework_id: string
  readonly executor_id: string
  readonly container_id: string
  /** Its own and its tasks'. */
  readonly resources: Resources
}

export function usageOf(state: AgentState, host: HostUsage | undefined): AgentUsage {
  const executors = [...state.frameworks.values()].flatMap(({ id, executors }) =>
    [...executors.values()]
      .filter(({ phase }) => phase !== 'terminated')
      .map((executor) => ({
        framework_id: id,
        executor_id: executor.info.executor_id.value,
        container_id: executor.container,
        resources: heldBy(executor),
      })),
  )
  const held = merge(executors.flatMap((each) => each.resources))
  return {
    total: state.ledger.total,
    allocated: filter(held, (resource) => !isRevocable(resource)),
    revocable: filter(held, isRevocable),
    host,
    executors,
  }
}

/** What an executor and its live tasks hold, without allocation. */
export function heldBy({ info, tasks }: Executor): Resources {
  const live = [...tasks.values()].filter(({ phase }) => phase !== 'terminated')
  const lists = [info.resources ?? [], ...live.map((task) => task.info.resources ?? [])]
  return unallocate(merge(lists.flatMap((list) => resources(list))))
}
