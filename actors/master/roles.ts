/**
 * GET_ROLES and GET_QUOTA: who shares the cluster, and how much each role has of it. Amounts are those of a
 * role and of all roles below it, as quota counts them. Spec: operator-api.md §B, §E.1, master.md §14.
 */
import type { QuotaState, Resource, Role, ValueScalar } from '../../protocol/v1/index.ts'
import {
  addQuantities,
  ancestorsOf,
  fromMillis,
  isReserved,
  isRevocable,
  type Quantities,
  quantityMillis,
  reservationRole,
} from '../../src/resources/index.ts'
import type { MasterState } from './state.ts'
import type { Usage } from './usage.ts'

interface Account {
  readonly name: string
  /** Ids of those in exactly this role. */
  readonly frameworks: Set<string>
  /** What tasks and executors use. */
  readonly allocated: Amounts
  readonly offered: Amounts
  /** Used or not. */
  readonly reserved: Amounts
  /** Charged to the quota: what is reserved, and what else is used and not lent. */
  readonly consumed: Amounts
}

/** Thousandths by name. */
type Amounts = Map<string, number>

type Kind = 'allocated' | 'offered' | 'reserved' | 'consumed'

/** Mesos counts these only (operator-api.md §B). */
const COUNTED = ['cpus', 'gpus', 'mem', 'disk']

/** By role. */
export type Accounts = Map<string, Account>

/**
 * Roles that a framework is in or that have a weight, a quota, something reserved or in use, and those
 * above them; sorted.
 */
export function rolesDocument(state: MasterState, accounts: Accounts): Role[] {
  for (const role of [...state.weights.keys(), ...state.quotas.keys()]) {
    for (const name of [role, ...ancestorsOf(role)]) accountOf(accounts, name)
  }
  const sorted = [...accounts.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  return sorted.map((account) => {
    const { name, frameworks, allocated, offered, reserved } = account
    return {
      name,
      weight: state.weights.get(name) ?? 1,
      frameworks: [...frameworks].map((value) => ({ value })),
      resources: scalarsOf(addQuantities(allocated, offered)),
      allocated: amounts(allocated),
      offered: amounts(offered),
      reserved: amounts(reserved),
      ...(state.quotas.has(name) && { quota: quotaOf(state, account) }),
    }
  })
}

/** The quotas that are set, and what is charged to each. */
export function quotasDocument(state: MasterState, accounts: Accounts): QuotaState[] {
  return [...state.quotas.keys()].map((role) => quotaOf(state, accountOf(accounts, role)))
}

/** What is charged to the quota of a role, offers left out. */
export function consumedBy(accounts: Accounts, role: string): Quantities {
  return accounts.get(role)?.consumed ?? new Map()
}

function quotaOf({ quotas }: MasterState, { name, consumed }: Account): QuotaState {
  return { role: name, ...quotas.get(name), consumed: amounts(consumed) }
}

/** Sums up by role. A step for each list of resources. */
export function* accountsOf(state: MasterState, usage: Usage): Generator<void, Accounts> {
  const accounts: Accounts = new Map()
  const charged = new Map<string, readonly Account[]>()
  const chargedFor = (role: string) => {
    const known = charged.get(role)
    if (known !== undefined) return known
    const all = [role, ...ancestorsOf(role)].map((name) => accountOf(accounts, name))
    charged.set(role, all)
    return all
  }
  const charge = (role: string, kind: Kind, resource: Resource, times: number) => {
    const millis = quantityMillis(resource) * times
    for (const account of chargedFor(role)) {
      const amounts = account[kind]
      amounts.set(resource.name, (amounts.get(resource.name) ?? 0) + millis)
    }
  }
  for (const { id, roles } of state.frameworks.values()) {
    for (const role of roles) chargedFor(role)[0]!.frameworks.add(id)
  }
  for (const [total, times] of usage.totals) {
    for (const resource of total) {
      if (!isReserved(resource)) continue
      charge(reservationRole(resource), 'reserved', resource, times)
      charge(reservationRole(resource), 'consumed', resource, times)
    }
    yield
  }
  for (const [id, { used, offered }] of usage.frameworks) {
    for (const [list, times] of used) {
      for (const resource of list) {
        const role = resource.allocation_info?.role ?? '*'
        charge(role, 'allocated', resource, times)
        if (isPlain(resource)) charge(role, 'consumed', resource, times)
        chargedFor(role)[0]!.frameworks.add(id)
      }
      yield
    }
    for (const [role, tally] of offered) {
      for (const [list, times] of tally) {
        for (const resource of list) charge(role, 'offered', resource, times)
        yield
      }
    }
  }
  return accounts
}

function isPlain(resource: Resource): boolean {
  return !isReserved(resource) && !isRevocable(resource)
}

function accountOf(accounts: Map<string, Account>, name: string): Account {
  const known = accounts.get(name)
  if (known !== undefined) return known
  const account: Account = {
    name,
    frameworks: new Set(),
    allocated: new Map(),
    offered: new Map(),
    reserved: new Map(),
    consumed: new Map(),
  }
  accounts.set(name, account)
  return account
}

function amounts(quantities: Quantities): Record<string, ValueScalar> {
  const named = [...quantities].map(([name, millis]) => [name, { value: fromMillis(millis) }])
  return Object.fromEntries(named)
}

function scalarsOf(quantities: Quantities): Resource[] {
  return COUNTED.filter((name) => quantities.has(name)).map((name) => ({
    name,
    type: 'SCALAR',
    scalar: { value: fromMillis(quantities.get(name) ?? 0) },
  }))
}
