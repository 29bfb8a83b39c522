/**
 * What quotas are charged with: reservations to a role, used or not, and whatever else is held in it, by
 * frameworks that are known or not. Spec: allocator.md §5, "consumed"; names of §14.
 */
import type { QuotaConfig } from '../../protocol/v1/quota.ts'
import { distinct, isReserved, quantityMillis, reservationRole } from '../../src/resources/index.ts'
import { type Bundle, Trait } from './bundle.ts'
import { type Agent, type Client, type Cluster, openToAll } from './cluster.ts'

/** Other quotas from now on; roles that are not named keep theirs. */
export function setQuotas(cluster: Cluster, configs: readonly QuotaConfig[]): void {
  const { quotas, roles, frameworks, agents } = cluster
  quotas.configure(configs)
  roles.refreshQuotas()
  for (const { clients } of frameworks.values()) {
    for (const client of clients.values()) client.quota = quotas.of(client.role)
  }
  if (quotas.size > 0) {
    for (const agent of agents.values()) {
      countForQuotas(cluster, agent, agent.total, 1)
      for (const { client, bundle } of agent.holdings) charge(cluster, agent, client, bundle, 1)
    }
  }
  openToAll(cluster)
}

/** The cluster has grown by the total of an agent; shrunk, if `sign` is -1. */
export function countTotal(cluster: Cluster, agent: Agent, total: Bundle, sign: 1 | -1): void {
  cluster.tree.changeTotals(total.millis, sign)
  if (cluster.quotas.size === 0) return
  countForQuotas(cluster, agent, total, sign)
  openToAll(cluster)
}

/** A client holds so much more of the agent; less, if `sign` is -1. */
export function charge(
  cluster: Cluster,
  agent: Agent,
  client: Client,
  { plain }: Bundle,
  sign: 1 | -1,
): void {
  const { quotas } = cluster
  if (quotas.size === 0) return
  const { pending } = quotas
  if (isInService(agent)) quotas.changeFree(plain, sign === 1 ? -1 : 1)
  if (client.quota !== undefined) quotas.charge(client.quota, plain, sign)
  if (sign === -1 || (pending && !quotas.pending)) openToAll(cluster)
}

/** Whether an agent is offered from the next run on. */
export function setInService(
  cluster: Cluster,
  agent: Agent,
  service: Partial<Pick<Agent, 'active' | 'listed'>>,
): void {
  const before = isInService(agent)
  Object.assign(agent, service)
  const after = isInService(agent)
  if (after === before || cluster.quotas.size === 0) return
  const sign = after ? 1 : -1
  cluster.quotas.changeFree(agent.total.plain, sign)
  for (const { bundle } of agent.holdings) {
    cluster.quotas.changeFree(bundle.plain, after ? -1 : 1)
  }
  openToAll(cluster)
}

/**
 * What is free of others is no headroom: guarantees that rested on agents that drain would not be met. (In
 * Mesos it counts, allocator.md §5.)
 */
function isInService({ active, listed }: Agent): boolean {
  return active && listed
}

function countForQuotas(
  { quotas, names }: Cluster,
  agent: Agent,
  total: Bundle,
  sign: 1 | -1,
): void {
  if (isInService(agent)) quotas.changeFree(total.plain, sign)
  if ((total.traits & Trait.RESERVED) === 0) return
  for (const resource of distinct(total.resources)) {
    const quota = isReserved(resource) ? quotas.of(reservationRole(resource)) : undefined
    const number = resource.type === 'SCALAR' ? names.number(resource.name) : -1
    if (quota === undefined || number < 0) continue
    const amounts = new Float64Array(number + 1)
    amounts[number] = quantityMillis(resource)
    quotas.charge(quota, amounts, sign)
  }
}
