/**
 * Resources of tasks, executors and task groups. Spec: resources.md §7.5, and §6 for shared volumes.
 */
import { err, ok } from '../../protocol/result.ts'
import type { Resource, ValueScalar } from '../../protocol/v1/resources.ts'
import {
  checkAllocationRole,
  checkOverlap,
  checkPersistenceIds,
  checkResources,
  checkRevocableMix,
} from './checks.ts'
import {
  add,
  contains,
  distinct,
  filter,
  merge,
  type Resources,
  subtract,
  sum,
} from './collection.ts'
import { type Checked, type Fault, fault } from './fault.ts'
import { scalarMillis, wholeMegabytes } from './quantities.ts'
import { isShared } from './resource.ts'
import { toMillis } from './scalar.ts'
import { formatResources } from './text.ts'

/** Least that an executor should have; 1/1000 cpus and MB. */
const EXECUTOR_CPU_MILLIS_MIN = 10
const EXECUTOR_MEMORY_MB_MIN = 32

/** `task.resources` as a collection: there are some, all allocated to one role. */
export function checkTaskResources(
  list: readonly Resource[],
  place = 'resources',
): Checked<Resources> {
  if (list.length === 0) return err(fault('TASK', place, 'must not be empty'))
  return checkConsumer(list, place)
}

/** `executor.resources` as a collection; may be empty. `mayShare` is false for LAUNCH. */
export function checkExecutorResources(
  list: readonly Resource[],
  mayShare: boolean,
  place = 'executor.resources',
): Checked<Resources> {
  const collection = checkConsumer(list, place)
  if (!collection.ok || mayShare || !collection.value.some(isShared)) return collection
  return err(fault('EXECUTOR', place, 'must not hold shared resources'))
}

/** What a LAUNCH of one task, or a LAUNCH_GROUP, claims. */
export interface Claim {
  readonly tasks: readonly Resources[]
  /** The custom executor of the task, or that of the group. */
  readonly executor?: Resources
  /** A running executor has its resources already. */
  readonly executorRunning: boolean
}

/**
 * Whether the parts go together and `available` holds them all. For LAUNCH, `available` is what
 * `availableToLaunch` says; for LAUNCH_GROUP it is what remains of the offers.
 */
export function checkClaim(claim: Claim, available: Resources, place: string): Fault | undefined {
  const { tasks, executor } = claim
  const parts = executor === undefined ? tasks : [...tasks, executor]
  const total = sum(parts)
  const problem =
    checkOverlap(parts, place) ??
    checkPersistenceIds(distinct(total), place) ??
    checkRevocableMix(total, place)
  if (problem !== undefined) return problem
  const needed = claim.executorRunning ? sum(tasks) : total
  if (contains(available, needed)) return undefined
  const message = `needs ${formatResources(needed)}, but only ${formatResources(available)} is offered`
  return fault('CLAIM', place, message)
}

/**
 * Below what an executor can hardly live. An error in a task group, a warning for a custom executor in
 * LAUNCH. `mustHaveDisk` is true in a task group.
 */
export function executorMinimumFault(
  executor: Resources,
  mustHaveDisk: boolean,
  place = 'executor.resources',
): Fault | undefined {
  if ((scalarMillis(executor, 'cpus') ?? 0) < EXECUTOR_CPU_MILLIS_MIN) {
    return fault('EXECUTOR', place, 'must have at least 0.01 cpus')
  }
  if ((wholeMegabytes(executor, 'mem') ?? 0) < EXECUTOR_MEMORY_MB_MIN) {
    return fault('EXECUTOR', place, `must have at least ${EXECUTOR_MEMORY_MB_MIN} MB of mem`)
  }
  if (mustHaveDisk && scalarMillis(executor, 'disk') === undefined) {
    return fault('EXECUTOR', place, 'must have disk')
  }
  return undefined
}

/** Where `task.limits` is to be obeyed. */
export interface LimitsContext {
  /** The agent has TASK_RESOURCE_LIMITS. */
  readonly supported: boolean
  /** The task is a member of a group and shares the executor's cgroups. */
  readonly sharesCgroups: boolean
}

/** `task.limits`: cpus and mem only, each requested and not below the request; Infinity is allowed. */
export function checkLimits(
  limits: Readonly<Record<string, ValueScalar>>,
  requested: Resources,
  context: LimitsContext,
): Fault | undefined {
  const names = Object.keys(limits)
  if (names.length === 0) return undefined
  if (!context.supported) {
    return fault('LIMITS', 'limits', 'needs an agent with the capability TASK_RESOURCE_LIMITS')
  }
  if (context.sharesCgroups) {
    return fault('LIMITS', 'limits', 'needs share_cgroups to be false for a task of a group')
  }
  for (const name of names) {
    const place = `limits.${name}`
    if (name !== 'cpus' && name !== 'mem') return fault('LIMITS', place, 'must be cpus or mem')
    const request = scalarMillis(requested, name)
    if (request === undefined) return fault('LIMITS', place, `must go with a request for ${name}`)
    // A limit that is not a number is below any request.
    if (!(toMillis(limits[name]!.value) >= request)) {
      return fault('LIMITS', place, 'must not be below what is requested')
    }
  }
  return undefined
}

/**
 * What a LAUNCH may use: what remains, and every shared volume of the offers as often as there were
 * copies, because earlier tasks of the same ACCEPT do not use a shared volume up.
 */
export function availableToLaunch(remaining: Resources, offered: Resources): Resources {
  return add(
    filter(remaining, (resource) => !isShared(resource)),
    filter(offered, isShared),
  )
}

/** Copies of shared volumes that `claimed` needs beyond those that remain; allocated on demand. */
export function additionalCopies(remaining: Resources, claimed: Resources): Resources {
  return subtract(filter(claimed, isShared), filter(remaining, isShared))
}

function checkConsumer(list: readonly Resource[], place: string): Checked<Resources> {
  const canonical = checkResources(list, place)
  if (!canonical.ok) return canonical
  const collection = merge(canonical.value)
  const problem =
    checkPersistenceIds(distinct(collection), place) ??
    checkAllocationRole(canonical.value, place) ??
    checkRevocableMix(canonical.value, place)
  return problem === undefined ? ok(collection) : err(problem)
}
