/**
 * Quotas: what is guaranteed to top-level roles, and what limits them. A quota holds for a role with all
 * roles below it, whose use and reservations it is charged with. What guarantees still ask for is held
 * back from everybody else: the headroom. Spec: allocator.md §5; operator-api.md, "Quota".
 *
 * All amounts are thousandths by number of the resource name, of resources that are neither reserved nor
 * revocable, reservations apart. They are kept in step with the ledger; nothing is counted while there
 * is no quota.
 */
import type { QuotaConfig, ValueScalar } from '../../protocol/v1/index.ts'
import { toMillis } from '../../src/resources/index.ts'
import type { ResourceNames } from './bundle.ts'
import type { Minimum } from './eligibility.ts'

export interface Quota {
  readonly role: string
  // Of one length; names beyond it are neither guaranteed nor limited.
  readonly guarantees: Float64Array
  /** Infinity where there is none. */
  readonly limits: Float64Array
  /** What is reserved to the role, used or not, and what else it holds. */
  readonly consumed: Float64Array
  /** Some guarantee is not met. */
  unmet: boolean
  /** The limits leave less than what is worth an offer by the cluster's minimums. */
  exhausted: boolean
}

/** What a role may have of what there is. */
export const NOTHING = 0
export const SOME = 1
export const ALL = 2
export type Allowance = typeof NOTHING | typeof SOME | typeof ALL

export class Quotas {
  readonly #names: ResourceNames
  readonly #minimums: readonly Minimum[]
  readonly #byRole = new Map<string, Quota>()
  /** What nobody holds in the whole cluster. */
  #free = new Float64Array(8)
  /** What guarantees that are not met still ask for. */
  #required = new Float64Array(8)
  #unmet = 0

  constructor(names: ResourceNames, minimums: readonly Minimum[]) {
    this.#names = names
    this.#minimums = minimums
  }

  get size(): number {
    return this.#byRole.size
  }

  /** Some guarantee is not met: headroom is held back. */
  get pending(): boolean {
    return this.#unmet > 0
  }

  /** The quota that a role is charged to: that of its top-level role. */
  of(role: string): Quota | undefined {
    if (this.#byRole.size === 0) return undefined
    const slash = role.indexOf('/')
    return this.#byRole.get(slash < 0 ? role : role.slice(0, slash))
  }

  [Symbol.iterator](): Iterator<Quota> {
    return this.#byRole.values()
  }

  /** Roles whose guarantees are not met. */
  get waiting(): string[] {
    return [...this.#byRole.values()].filter(({ unmet }) => unmet).map(({ role }) => role)
  }

  /** Takes new quotas over and begins to count from nothing; the caller then tells everything. */
  configure(configs: readonly QuotaConfig[]): void {
    for (const config of configs) {
      const quota = quotaOf(config, this.#names)
      if (quota === undefined) this.#byRole.delete(config.role)
      else this.#byRole.set(config.role, quota)
    }
    this.#free.fill(0)
    this.#required.fill(0)
    this.#unmet = 0
    for (const quota of this.#byRole.values()) {
      quota.consumed.fill(0)
      quota.unmet = false
      quota.exhausted = isExhausted(quota, this.#minimums)
      this.#widen(quota.guarantees.length)
      for (const [i, guarantee] of quota.guarantees.entries()) {
        this.#required[i]! += guarantee
        if (guarantee > 0) quota.unmet = true
      }
      if (quota.unmet) this.#unmet++
    }
  }

  /** So much more is free; less, if `sign` is -1. */
  changeFree(amounts: Float64Array, sign: 1 | -1): void {
    this.#widen(amounts.length)
    for (let i = 0; i < amounts.length; i++) this.#free[i]! += sign * amounts[i]!
  }

  /** A role has so much more of what its quota is about; less, if `sign` is -1. */
  charge(quota: Quota, amounts: Float64Array, sign: 1 | -1): void {
    const { guarantees, consumed } = quota
    const length = Math.min(amounts.length, consumed.length)
    for (let i = 0; i < length; i++) {
      const amount = amounts[i]!
      if (amount === 0) continue
      const before = Math.max(0, guarantees[i]! - consumed[i]!)
      consumed[i]! += sign * amount
      this.#required[i]! += Math.max(0, guarantees[i]! - consumed[i]!) - before
    }
    quota.exhausted = isExhausted(quota, this.#minimums)
    const unmet = isUnmet(quota)
    if (unmet === quota.unmet) return
    quota.unmet = unmet
    this.#unmet += unmet ? 1 : -1
  }

  /**
   * How much of `plain` a role may have, written to `kept`. To meet guarantees: what they ask for, and
   * with it what limit and headroom leave; nothing, if none of it is asked for. Otherwise what limit
   * and headroom leave.
   */
  allow(
    quota: Quota | undefined,
    plain: Float64Array,
    toGuarantee: boolean,
    kept: Float64Array,
  ): Allowance {
    const known = quota === undefined ? 0 : quota.consumed.length
    let all = true
    let some = false
    let progress = !toGuarantee
    for (let i = 0; i < plain.length; i++) {
      const there = plain[i]!
      let granted = 0
      let beyond = there
      if (i < known) {
        const consumed = quota!.consumed[i]!
        if (toGuarantee) {
          granted = Math.min(there, Math.max(0, quota!.guarantees[i]! - consumed))
          if (granted > 0) progress = true
        }
        const room = quota!.limits[i]! - consumed - granted
        beyond = Math.min(there - granted, Math.max(0, room))
      }
      if (this.#unmet > 0) beyond = Math.min(beyond, Math.max(0, this.surplus(i)))
      const keep = granted + beyond
      kept[i] = keep
      if (keep < there) all = false
      if (keep > 0) some = true
    }
    if (!progress) return NOTHING
    return all ? ALL : some ? SOME : NOTHING
  }

  /** What is free beyond the headroom. */
  surplus(name: number): number {
    return (this.#free[name] ?? 0) - (this.#required[name] ?? 0)
  }

  #widen(length: number): void {
    if (length <= this.#free.length) return
    const wider = Math.max(length, this.#free.length * 2)
    const free = new Float64Array(wider)
    const required = new Float64Array(wider)
    free.set(this.#free)
    required.set(this.#required)
    this.#free = free
    this.#required = required
  }
}

/** Whether some of these amounts is asked for by a guarantee. */
export function advances({ guarantees, consumed }: Quota, amounts: Float64Array): boolean {
  const length = Math.min(amounts.length, consumed.length)
  for (let i = 0; i < length; i++) {
    if (amounts[i]! > 0 && guarantees[i]! > consumed[i]!) return true
  }
  return false
}

function isUnmet({ guarantees, consumed }: Quota): boolean {
  for (let i = 0; i < guarantees.length; i++) if (consumed[i]! < guarantees[i]!) return true
  return false
}

function isExhausted({ limits, consumed }: Quota, minimums: readonly Minimum[]): boolean {
  const withinLimits = (minimum: Minimum) =>
    minimum.every(([i, millis]) => i >= limits.length || limits[i]! - consumed[i]! >= millis)
  return minimums.length > 0 && !minimums.some(withinLimits)
}

/** Undefined for a config that neither guarantees nor limits anything. */
function quotaOf(config: QuotaConfig, names: ResourceNames): Quota | undefined {
  const guaranteed = numbered(config.guarantees, names)
  const limited = numbered(config.limits, names)
  const length = 1 + Math.max(-1, ...[...guaranteed, ...limited].map(([number]) => number))
  if (length === 0) return undefined
  const guarantees = new Float64Array(length)
  for (const [number, millis] of guaranteed) guarantees[number] = millis
  const limits = new Float64Array(length).fill(Number.POSITIVE_INFINITY)
  for (const [number, millis] of limited) limits[number] = millis
  const { role } = config
  const consumed = new Float64Array(length)
  return { role, guarantees, limits, consumed, unmet: false, exhausted: false }
}

function numbered(amounts: Record<string, ValueScalar> | undefined, names: ResourceNames) {
  return Object.entries(amounts ?? {})
    .map(([name, { value }]) => [names.number(name), toMillis(value)] as const)
    .filter(([number]) => number >= 0)
}
