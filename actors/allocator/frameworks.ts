/** Frameworks as the allocator follows them: roles, activity, suppression. Spec: allocator.md §3, §7. */
import type { FrameworkOptions, Share } from '../../protocol/allocator.ts'
import { resources } from '../../src/resources/index.ts'
import { bundleOf } from './bundle.ts'
import { type Client, type Cluster, type Framework, open } from './cluster.ts'
import { admissionOf } from './constraints.ts'
import { capabilityMask, minimumsOf } from './eligibility.ts'
import { hold, holdingOf, releaseAll } from './ledger.ts'
import { forgetInverseOffers, forgetInverseRefusals } from './maintenance.ts'
import { NOWHERE } from './share-tree.ts'

/**
 * A framework is known from now on. What agents have told before of its holdings counts from now; of
 * `used` only what no agent has told, so that the order of the two does not matter.
 */
export function addFramework(
  cluster: Cluster,
  options: FrameworkOptions,
  active: boolean,
  used: readonly Share[],
): void {
  const framework = requireFramework(cluster, options.framework_id)
  framework.known = true
  framework.active = active
  updateFramework(cluster, options)
  for (const share of used) {
    const agent = cluster.agents.get(share.agent_id)
    const client = requireClient(cluster, framework, share.role)
    if (agent !== undefined && holdingOf(agent, client) === undefined) {
      hold(cluster, agent, client, bundleOf(resources(share.resources), cluster.names))
    }
    refresh(cluster, client)
  }
}

/** Roles that are new begin without filters; roles that are left lose theirs and keep their holdings. */
export function updateFramework(cluster: Cluster, options: FrameworkOptions): void {
  const framework = cluster.frameworks.get(options.framework_id)
  if (!framework?.known) return
  framework.capabilities = capabilityMask(options.capabilities)
  forgetInverseRefusals(cluster, framework)
  const roles = new Set(options.roles)
  const suppressed = new Set(options.suppressed_roles)
  for (const role of roles) requireClient(cluster, framework, role)
  for (const client of framework.clients.values()) {
    const { role } = client
    const revived = client.suppressed && !suppressed.has(role)
    client.subscribed = roles.has(role)
    client.suppressed = suppressed.has(role)
    setMinimums(cluster, client, minimumsOf(options.offer_filters?.[role], cluster.names))
    client.admits = admissionOf(options.offer_constraints, role)
    if (revived || !client.subscribed) client.filters.clear()
    refresh(cluster, client)
    open(cluster, client)
  }
}

/** Everything that it holds is free afterwards. */
export function removeFramework(cluster: Cluster, id: string): void {
  const framework = cluster.frameworks.get(id)
  if (framework === undefined) return
  for (const client of framework.clients.values()) {
    for (const agent of client.agents) releaseAll(cluster, agent, client)
    client.subscribed = false
    client.filters.clear()
    refresh(cluster, client)
  }
  forgetInverseOffers(cluster, framework)
  cluster.frameworks.delete(id)
}

/** Suppressed roles stay suppressed. */
export function activateFramework(cluster: Cluster, id: string): void {
  setActive(cluster, id, true)
}

/** It keeps what it holds and loses its filters. */
export function deactivateFramework(cluster: Cluster, id: string): void {
  for (const client of setActive(cluster, id, false)) client.filters.clear()
  const framework = cluster.frameworks.get(id)
  if (framework !== undefined) forgetInverseOffers(cluster, framework)
}

/** No roles means all of them. Filters stay. */
export function suppressOffers(cluster: Cluster, id: string, roles: readonly string[]): void {
  for (const client of clientsOf(cluster, id, roles)) {
    client.suppressed = true
    refresh(cluster, client)
  }
}

/** No roles means all of them. Their filters are forgotten, and those of all inverse offers. */
export function reviveOffers(cluster: Cluster, id: string, roles: readonly string[]): void {
  const framework = cluster.frameworks.get(id)
  if (framework !== undefined) forgetInverseRefusals(cluster, framework)
  for (const client of clientsOf(cluster, id, roles)) {
    client.suppressed = false
    client.filters.clear()
    refresh(cluster, client)
    open(cluster, client)
  }
}

/** The record of a framework, made if there is none: agents may speak of it before the master does. */
export function requireFramework(cluster: Cluster, id: string): Framework {
  const known = cluster.frameworks.get(id)
  if (known !== undefined) return known
  const framework: Framework = {
    id,
    known: false,
    active: false,
    capabilities: 0,
    clients: new Map(),
  }
  cluster.frameworks.set(id, framework)
  return framework
}

export function requireClient(cluster: Cluster, framework: Framework, role: string): Client {
  const known = framework.clients.get(role)
  if (known !== undefined) return known
  const client: Client = {
    framework,
    role,
    leaf: NOWHERE,
    quota: cluster.quotas.of(role),
    opened: 0,
    subscribed: false,
    suppressed: false,
    minimums: undefined,
    admits: undefined,
    filters: new Map(),
    agents: new Set(),
  }
  framework.clients.set(role, client)
  return client
}

/**
 * Brings the share tree in line with a client: it has a leaf while its framework is known and it is
 * subscribed or holds something; the leaf is active while offers may be made. Records that say nothing
 * any more are dropped.
 */
export function refresh(cluster: Cluster, client: Client): void {
  const { framework, role } = client
  const { tree, roles, clients } = cluster
  const needed = client.subscribed || client.agents.size > 0
  if (client.leaf === NOWHERE && needed && framework.known) {
    client.leaf = roles.join(role, framework.id)
    clients[client.leaf] = client
    for (const agent of client.agents) {
      tree.allocated(client.leaf, holdingOf(agent, client)!.bundle.millis)
    }
  }
  if (client.leaf !== NOWHERE) {
    if (!client.subscribed || !framework.active || client.suppressed) tree.deactivate(client.leaf)
    else if (tree.activate(client.leaf)) open(cluster, client)
  }
  if (needed) return
  if (client.leaf !== NOWHERE) {
    clients[client.leaf] = undefined
    roles.leave(role, client.leaf)
    client.leaf = NOWHERE
  }
  setMinimums(cluster, client, undefined)
  framework.clients.delete(role)
  if (!framework.known && framework.clients.size === 0) cluster.frameworks.delete(framework.id)
}

function setMinimums(cluster: Cluster, client: Client, minimums: Client['minimums']): void {
  cluster.ownMinimums += Number(minimums !== undefined) - Number(client.minimums !== undefined)
  client.minimums = minimums
}

function setActive(cluster: Cluster, id: string, active: boolean): Client[] {
  const framework = cluster.frameworks.get(id)
  if (framework === undefined) return []
  framework.active = active
  const clients = [...framework.clients.values()]
  for (const client of clients) refresh(cluster, client)
  return clients
}

function clientsOf(cluster: Cluster, id: string, roles: readonly string[]): Client[] {
  const clients = [...(cluster.frameworks.get(id)?.clients.values() ?? [])]
  return roles.length === 0 ? clients : clients.filter(({ role }) => roles.includes(role))
}
