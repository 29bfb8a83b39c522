/**
 * Operations on resources, as the allocator follows them: they change an agent's total, and with it what
 * one client holds or what nobody holds. How much there is of anything stays the same. Spec:
 * resources.md §6, allocator.md §3.
 */
import type { Conversion, UpdateAllocation } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import type { Payload } from '../../protocol/message.ts'
import { ok, type Result } from '../../protocol/result.ts'
import {
  add,
  applyConversion,
  formatFault,
  type Resources,
  resources,
} from '../../src/resources/index.ts'
import { setTotal } from './agents.ts'
import { bundleOf } from './bundle.ts'
import type { Agent, Cluster } from './cluster.ts'
import { availableOf, holdingOf, replaceHolding } from './ledger.ts'

/** What a client was offered is something else now. Passed over if it, or the agent, is gone. */
export function convertHolding(
  cluster: Cluster,
  { framework_id, role, agent_id, conversions, copies }: Payload<typeof UpdateAllocation>,
): void {
  const agent = cluster.agents.get(agent_id)
  const client = cluster.frameworks.get(framework_id)?.clients.get(role)
  const holding = agent && client && holdingOf(agent, client)
  if (agent === undefined || holding === undefined) return
  const held = convert(holding.bundle.resources, conversions)
  if (!held.ok) return
  const whole = add(held.value, resources(copies))
  replaceHolding(cluster, agent, holding, bundleOf(whole, cluster.names))
  convertTotal(cluster, agent, conversions)
}

/** What nobody holds of an agent is something else now. */
export function convertAvailable(
  cluster: Cluster,
  agentId: string,
  conversions: readonly Conversion[],
): Result<Agent, Failure> {
  const agent = cluster.agents.get(agentId)
  if (agent === undefined) return fail('UNKNOWN_AGENT', { agent_id: agentId })
  const available = convert(availableOf(cluster, agent).resources, conversions)
  if (!available.ok) return available
  convertTotal(cluster, agent, conversions)
  return ok(agent)
}

function convertTotal(cluster: Cluster, agent: Agent, conversions: readonly Conversion[]): void {
  const total = convert(agent.total.resources, conversions)
  if (total.ok) setTotal(cluster, agent, bundleOf(total.value, cluster.names))
}

/** All conversions, one after the other, or none. */
function convert(from: Resources, conversions: readonly Conversion[]): Result<Resources, Failure> {
  let result = from
  for (const { consumed, converted } of conversions) {
    const conversion = { consumed: resources(consumed), converted: resources(converted) }
    const next = applyConversion(result, conversion)
    if (!next.ok) return fail('NOT_AVAILABLE', { problem: formatFault(next.error) })
    result = next.value
  }
  return ok(result)
}
