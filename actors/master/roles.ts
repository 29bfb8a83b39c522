/**
 * GET_ROLES and GET_QUOTA: who shares the cluster, and how much each role has of it. Amounts are those of a
 * role and of all roles below it, as quota counts them. Spec: operator-api.md §B, §E.1, master.md §14.
 */
import type { QuotaState, Resource, Role, ValueScalar } from '../../protocol/v1/index.ts'
import {
  addQuantities,
  ancestorsOf,
  filter,
  fromMillis,
  isReserved,
  isRevocable,
  type Quantities,
  quantitiesOf,
  type Resources,
  reservationRole,
  resources,
} from '../../src/resources/index.ts'
import { agentShares } from './shares.ts'
import type { MasterState } from './state.ts'

interface Account {
  readonly name: string
  /** Ids of those in exactly this role. */
  readonly frameworks: Set<string>
  /** What tasks and executors use. */
  allocated: Quantities
  offered: Quantities
  /** Used or not. */
  reserved: Quantities
  /** Charged to the quota: what is reserved, and what else is used and not lent. */
  consumed: Quantities
}

type Kind = 'allocated' | 'offered' | 'reserved' | 'consumed'

/** Mesos counts these only (operator-api.md §B). */
const COUNTED = ['cpus', 'gpus', 'mem', 'disk']

/**
 * Roles that a framework is in or that have a weight, a quota, something reserved or in use, and those
 * above them; sorted.
 */
export function rolesDocument(state: MasterState): Role[] {
  const accounts = accountsOf(state)
  for (const name of [...state.weights.keys(), ...state.quotas.keys()]) accountOf(accounts, name)
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
export function quotasDocument(state: MasterState): QuotaState[] {
  const accounts = accountsOf(state)
  return [...state.quotas.keys()].map((role) => quotaOf(state, accountOf(accounts, role)))
}

function quotaOf({ quotas }: MasterState, { name, consumed }: Account): QuotaState {
  return { role: name, ...quotas.get(name), consumed: amounts(consumed) }
}

/** One look at everything, however many roles there are. */
function accountsOf(state: MasterState): Map<string, Account> {
  const accounts = new Map<string, Account>()
  const charge = (role: string, kind: Kind, held: Resources) => {
    if (held.length === 0) return
    const quantities = quantitiesOf(held)
    for (const name of [role, ...ancestorsOf(role)]) {
      const account = accountOf(accounts, name)
      account[kind] = addQuantities(account[kind], quantities)
    }
  }
  for (const { id, roles } of state.frameworks.values()) {
    for (const role of roles) {
      accountOf(accounts, role).frameworks.add(id)
      for (const above of ancestorsOf(role)) accountOf(accounts, above)
    }
  }
  for (const agent of state.agents.values()) {
    for (const resource of agent.total) {
      if (!isReserved(resource)) continue
      for (const kind of ['reserved', 'consumed'] as const) {
        charge(reservationRole(resource), kind, resources([resource]))
      }
    }
    for (const { role, framework_id, resources: used } of agentShares(agent)) {
      const held = resources(used)
      charge(role, 'allocated', held)
      charge(role, 'consumed', filter(held, isPlain))
      accountOf(accounts, role).frameworks.add(framework_id)
    }
    for (const { share } of agent.offers) charge(share.role, 'offered', resources(share.resources))
  }
  return accounts
}

function isPlain(resource: Resource): boolean {
  return !isReserved(resource) && !isRevocable(resource)
}

function accountOf(accounts: Map<string, Account>, name: string): Account {
  const known = accounts.get(name)
  if (known !== undefined) return known
  const none: Quantities = new Map()
  const zero = { allocated: none, offered: none, reserved: none, consumed: none }
  const account: Account = { name, frameworks: new Set(), ...zero }
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
