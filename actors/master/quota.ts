/**
 * Quotas of roles. Charged to a role are the reservations to it and the roles below it, used or not, and
 * what else these hold. Spec: operator-api.md §B.1, master.md §14, allocator.md §5.
 *
 * A change is refused where it could not hold, unless it is forced: where a role uses more already than
 * its limits allow, and where more is guaranteed to all roles together than the registered agents have.
 * After a failover there are few of these at first.
 */
import { UpdateQuota } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { QuotaConfig, Resource, ValueScalar } from '../../protocol/v1/index.ts'
import {
  addQuantities,
  containsQuantities,
  filter,
  formatScalar,
  fromMillis,
  isHierarchical,
  isInSubtree,
  isReserved,
  isRevocable,
  type Quantities,
  quantitiesOf,
  resources,
  roleNameError,
  subtractQuantities,
  toMillis,
} from '../../src/resources/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { rescindAll } from './offers.ts'
import type { Answer } from './operator.ts'
import { store } from './registry.ts'
import { type Accounts, accountsOf, consumedBy } from './roles.ts'
import type { MasterState, Offer } from './state.ts'
import { survey, type Usage } from './usage.ts'

/** UPDATE_QUOTA: all of the configurations or none. */
export function updateQuota(
  state: MasterState,
  configs: readonly QuotaConfig[],
  force: boolean,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const wrong = quotaProblem(configs)
  if (wrong !== undefined) {
    return fail('INVALID_MESSAGE', { problem: `update_quota.quota_configs${wrong}` })
  }
  const quota_configs = configs.map(({ role, guarantees, limits }) => ({
    role,
    ...(guarantees !== undefined && { guarantees }),
    ...(limits !== undefined && { limits }),
  }))
  const write = () =>
    store(state, [{ type: 'UPDATE_QUOTA', quota_configs }], cx, () => {
      for (const config of quota_configs) {
        if (isDefault(config)) state.quotas.delete(config.role)
        else state.quotas.set(config.role, config)
      }
      cx.send(state.allocator, UpdateQuota, { quota_configs })
      const makeRoomForAll = function* (usage: Usage) {
        const accounts = yield* accountsOf(state, usage)
        for (const config of quota_configs) yield* makeRoom(state, accounts, config, cx)
        later(ok({}))
      }
      survey(state, makeRoomForAll, cx)
    })
  if (force) {
    write()
    return undefined
  }
  const judge = function* (usage: Usage) {
    const accounts = yield* accountsOf(state, usage)
    const excess = yield* excessProblem(state, usage, accounts, configs)
    if (excess === undefined) write()
    else later(fail('NOT_AVAILABLE', { problem: excess }))
  }
  survey(state, judge, cx)
  return undefined
}

function isDefault({ guarantees = {}, limits = {} }: QuotaConfig): boolean {
  return Object.keys(guarantees).length === 0 && Object.keys(limits).length === 0
}

/** Megabytes for mem and disk, units for the others (operator-api.md §B.1). */
const AMOUNT_MAX = 10 ** 12
const MEGABYTES_MAX = 2 ** 40
/** Least amount that is told from nothing. */
const AMOUNT_MIN = 0.001

/** What is wrong with the configurations by themselves, beginning with the place. */
export function quotaProblem(configs: readonly QuotaConfig[]): string | undefined {
  if (configs.length === 0) return ': must name a role'
  const seen = new Set<string>()
  for (const [index, { role, guarantees = {}, limits = {} }] of configs.entries()) {
    const place = `[${index}]`
    const problem = roleNameError(role)
    if (problem !== undefined) return `${place}.role: ${problem}`
    if (isHierarchical(role)) return `${place}.role: only roles without '/' can have a quota`
    if (seen.has(role)) return `${place}.role: ${role} stands twice`
    seen.add(role)
    const amount =
      amountProblem(`${place}.guarantees`, guarantees) ?? amountProblem(`${place}.limits`, limits)
    if (amount !== undefined) return amount
    for (const [name, { value }] of Object.entries(guarantees)) {
      const limit = Object.hasOwn(limits, name) ? limits[name]! : undefined
      if (limit !== undefined && value > limit.value) {
        return `${place}.guarantees.${name}: must not be above the limit`
      }
    }
  }
  return undefined
}

function amountProblem(place: string, amounts: Record<string, ValueScalar>): string | undefined {
  for (const [name, { value }] of Object.entries(amounts)) {
    const max = name === 'mem' || name === 'disk' ? MEGABYTES_MAX : AMOUNT_MAX
    if (value === 0 || (value >= AMOUNT_MIN && value <= max)) continue
    return `${place}.${name}: must be 0 or from ${AMOUNT_MIN} to ${max}`
  }
  return undefined
}

function millisOf(amounts: Record<string, ValueScalar> = {}): Quantities {
  return new Map(Object.entries(amounts).map(([name, { value }]) => [name, toMillis(value)]))
}

/** Why the cluster, as it is, contradicts the configurations. */
function* excessProblem(
  state: MasterState,
  { totals }: Usage,
  accounts: Accounts,
  configs: readonly QuotaConfig[],
): Generator<void, string | undefined> {
  for (const { role, limits } of configs) {
    const consumed = consumedBy(accounts, role)
    for (const [name, millis] of millisOf(limits)) {
      const used = consumed.get(name) ?? 0
      if (used <= millis) continue
      return `${role} has ${amount(used)} ${name} already, more than ${amount(millis)}`
    }
  }
  const quotas = new Map(state.quotas)
  for (const config of configs) quotas.set(config.role, config)
  const guaranteed = [...quotas.values()]
    .map(({ guarantees }) => millisOf(guarantees))
    .reduce(addQuantities, new Map())
  const there = new Map<string, number>()
  for (const [total, times] of totals) {
    for (const [name, millis] of quantitiesOf(filter(total, (each) => !isRevocable(each)))) {
      there.set(name, (there.get(name) ?? 0) + millis * times)
    }
    yield
  }
  for (const [name, millis] of guaranteed) {
    const available = there.get(name) ?? 0
    if (millis <= available) continue
    return `${amount(millis)} ${name} would be guaranteed in all, the agents have ${amount(available)}`
  }
  return undefined
}

function amount(millis: number): string {
  return formatScalar(fromMillis(millis))
}

function isPlain(resource: Resource): boolean {
  return !isReserved(resource) && !isRevocable(resource)
}

/** Withdraws offers to the role until it is within its limits, then those of others for its guarantees. */
function* makeRoom(
  state: MasterState,
  accounts: Accounts,
  { role, guarantees, limits }: QuotaConfig,
  cx: Context,
): Generator<void, void> {
  let consumed = consumedBy(accounts, role)
  const own: Offer[] = []
  const others: Offer[] = []
  for (const offer of state.offers.values()) {
    if (isInSubtree(offer.share.role, role)) own.push(offer)
    else others.push(offer)
    yield
  }
  for (const offer of own) {
    consumed = addQuantities(consumed, plainOf(offer))
    yield
  }
  const within = millisOf(limits)
  const surplus: Offer[] = []
  for (const offer of own) {
    const plain = plainOf(offer)
    const isOver = [...plain.keys()].some((name) => {
      const limit = within.get(name)
      return limit !== undefined && (consumed.get(name) ?? 0) > limit
    })
    if (isOver) {
      consumed = subtractQuantities(consumed, plain)
      surplus.push(offer)
    }
    yield
  }
  yield* rescindAll(state, surplus, cx)
  const missing = subtractQuantities(millisOf(guarantees), consumed)
  let freed: Quantities = new Map()
  const needed: Offer[] = []
  for (const offer of others) {
    if (containsQuantities(freed, missing)) break
    const plain = plainOf(offer)
    if ([...missing.keys()].some((name) => plain.has(name))) {
      freed = addQuantities(freed, plain)
      needed.push(offer)
    }
    yield
  }
  yield* rescindAll(state, needed, cx)
}

function plainOf({ share }: Offer): Quantities {
  return quantitiesOf(resources(share.resources.filter(isPlain)))
}
