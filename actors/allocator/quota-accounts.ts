/**
 * What quotas are charged with: reservations to a role, used or not, and whatever else is held in it, by
 * frameworks that are known or not. Spec: allocator.md §5, "consumed"; names of §14.
 */
import type { QuotaConfig } from '../../protocol/v1/quota.ts'
import { distinct, isReserved, quantityMillis, reservationRole } from '../../src/resources/index.ts'
import { type Bundle, Trait } from './bundle.ts'
import { type Client, type Cluster, openToAll } from './cluster.ts'

/** Other quotas from now on; roles that are not named keep theirs. */
export function setQuotas(cluster: Cluster, configs: readonly QuotaConfig[]): void {
  const { quotas, roles, frameworks, agents } = cluster
  quotas.configure(configs)
  roles.refreshQuotas()
  for (const { clients } of frameworks.values()) {
    for (const client of clients.values()) client.quota = quotas.of(client.role)
  }
  if (quotas.size > 0) {
    for (const { total, holdings } of agents.values()) {
      countForQuotas(cluster, total, 1)
      for (const { client, bundle } of holdings) charge(cluster, client, bundle, 1)
    }
  }
  openToAll(cluster)
}

/** The cluster has grown by the total of an agent; shrunk, if `sign` is -1. */
export function countTotal(cluster: Cluster, total: Bundle, sign: 1 | -1): void {
  cluster.tree.changeTotals(total.millis, sign)
  if (cluster.quotas.size === 0) return
  countForQuotas(cluster, total, sign)
  openToAll(cluster)
}

/** A client holds so much more; less, if `sign` is -1. */
export function charge(cluster: Cluster, client: Client, { plain }: Bundle, sign: 1 | -1): void {
  const { quotas } = cluster
  if (quotas.size === 0) return
  const { pending } = quotas
  quotas.changeFree(plain, sign === 1 ? -1 : 1)
  if (client.quota !== undefined) quotas.charge(client.quota, plain, sign)
  if (sign === -1 || (pending && !quotas.pending)) openToAll(cluster)
}

function countForQuotas({ quotas, names }: Cluster, total: Bundle, sign: 1 | -1): void {
  quotas.changeFree(total.plain, sign)
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
