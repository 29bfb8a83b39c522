/**
 * Agents whose maintenance is planned: the frameworks that hold something of them are asked to give them
 * back. Asking is all that happens: nothing is taken away. Spec: allocator.md §8.
 */
import type { InverseAllocation, UpdateInverseOffer } from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import type { Unavailability } from '../../protocol/v1/ids.ts'
import type { Agent, Cluster, Framework } from './cluster.ts'
import { refusalMs } from './filters.ts'

export interface Maintenance {
  readonly unavailability: Unavailability
  /** Whose inverse offers are out. */
  readonly asked: Set<Framework>
  /** Who is not asked again before a time, monotonic ms. */
  readonly refused: Map<Framework, number>
}

/** Maintenance is planned for the agent, or none any more. What was answered before is void. */
export function planMaintenance(
  cluster: Cluster,
  agent: Agent,
  unavailability: Unavailability | undefined,
): void {
  if (unavailability === undefined) {
    agent.maintenance = undefined
    cluster.inMaintenance.delete(agent)
    return
  }
  agent.maintenance = { unavailability, asked: new Set(), refused: new Map() }
  cluster.inMaintenance.add(agent)
}

export type InverseOffers = Payload<typeof InverseAllocation>['inverse_offers']

/** Asks whoever listens, holds something of these agents, and neither is asked nor has refused. */
export function askBack(cluster: Cluster, agents: Iterable<Agent>, nowMs: number): InverseOffers {
  const inverseOffers: InverseOffers = []
  if (cluster.inMaintenance.size === 0) return inverseOffers
  for (const agent of agents) {
    if (agent.maintenance === undefined) continue
    const { unavailability, asked, refused } = agent.maintenance
    for (const framework of new Set(agent.holdings.map(({ client }) => client.framework))) {
      const untilMs = refused.get(framework) ?? 0
      if (!framework.known || !framework.active || asked.has(framework) || nowMs < untilMs) continue
      refused.delete(framework)
      asked.add(framework)
      inverseOffers.push({ framework_id: framework.id, agent_id: agent.id, unavailability })
    }
  }
  return inverseOffers
}

/** Inverse offers are out no more; their frameworks are left in peace if they said for how long. */
export function endInverseOffers(
  cluster: Cluster,
  { inverse_offers, refuse_seconds }: Payload<typeof UpdateInverseOffer>,
  nowMs: number,
): void {
  const durationMs = refuse_seconds === undefined ? 0 : refusalMs(refuse_seconds)
  for (const { framework_id, agent_id } of inverse_offers) {
    const maintenance = cluster.agents.get(agent_id)?.maintenance
    const framework = cluster.frameworks.get(framework_id)
    if (maintenance === undefined || framework === undefined) continue
    maintenance.asked.delete(framework)
    if (durationMs > 0) maintenance.refused.set(framework, nowMs + durationMs)
  }
}

/** A framework that revives its offers is asked again. */
export function forgetInverseRefusals({ inMaintenance }: Cluster, framework: Framework): void {
  for (const { maintenance } of inMaintenance) maintenance?.refused.delete(framework)
}

/** A framework does not listen any more, or is over: what it was asked is void with its refusals. */
export function forgetInverseOffers({ inMaintenance }: Cluster, framework: Framework): void {
  for (const { maintenance } of inMaintenance) {
    maintenance?.asked.delete(framework)
    maintenance?.refused.delete(framework)
  }
}
