/** Agents as the allocator follows them: totals, nature, what is used and given back. Spec: §3, §10. */
import type { AddAgents, Share, UpdateAgent } from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import type { AgentCapabilityType } from '../../protocol/v1/agent.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import { equalAttributes, equals, resources } from '../../src/resources/index.ts'
import { type Bundle, bundleOf, EMPTY } from './bundle.ts'
import { type Agent, type Cluster, NEVER, touch } from './cluster.ts'
import { natureOf } from './eligibility.ts'
import { refusalMs, refuse } from './filters.ts'
import { refresh, requireClient, requireFramework } from './frameworks.ts'
import { hold, release, releaseAll, use } from './ledger.ts'
import { planMaintenance } from './maintenance.ts'
import { countTotal, setInService } from './quota-accounts.ts'

export type NewAgent = Payload<typeof AddAgents>['agents'][number]

/**
 * An agent with what is used of it, also by frameworks that are not known yet. One that is there
 * already is replaced, holdings and all.
 */
export function addAgent(cluster: Cluster, added: NewAgent): Agent {
  removeAgent(cluster, added.agent_id)
  const { agent_id: id, hostname, attributes, domain, capabilities, active } = added
  const total = totalOf(cluster, added.total)
  const agent: Agent = {
    id,
    hostname,
    domain,
    capabilities,
    attributes,
    active,
    listed: cluster.whitelist?.has(hostname) ?? true,
    gone: false,
    nature: natureOf({ domain, capabilities }, total, cluster.settings),
    total,
    holdings: [],
    available: total,
    emptied: undefined,
    emptiedPassedBy: NEVER,
    passedBy: NEVER,
    passedByUntilMs: 0,
    run: 0,
    maintenance: undefined,
  }
  cluster.agents.set(agent.id, agent)
  countTotal(cluster, agent, total, 1)
  planMaintenance(cluster, agent, added.unavailability)
  for (const share of added.used) {
    const client = requireClient(cluster, requireFramework(cluster, share.framework_id), share.role)
    hold(cluster, agent, client, bundleOf(resources(share.resources), cluster.names))
    refresh(cluster, client)
  }
  return agent
}

/** The account of a total; agents whose total is the same frozen list have one in common. */
function totalOf({ totals, names }: Cluster, list: readonly Resource[]): Bundle {
  const known = totals.get(list)
  if (known !== undefined) return known
  const total = bundleOf(resources(list), names)
  if (Object.isFrozen(list)) totals.set(list, total)
  return total
}

/** Whoever held something of it holds it no more. */
export function removeAgent(cluster: Cluster, id: string): void {
  const agent = cluster.agents.get(id)
  if (agent === undefined) return
  for (const { client } of [...agent.holdings]) {
    releaseAll(cluster, agent, client)
    refresh(cluster, client)
  }
  forgetFilters(cluster, agent)
  planMaintenance(cluster, agent, undefined)
  countTotal(cluster, agent, agent.total, -1)
  agent.gone = true
  cluster.agents.delete(id)
}

/** Returns the agent if anything has changed. Other attributes make all its filters void. */
export function updateAgent(
  cluster: Cluster,
  update: Payload<typeof UpdateAgent>,
): Agent | undefined {
  const agent = cluster.agents.get(update.agent_id)
  if (agent === undefined) return undefined
  const total = totalOf(cluster, update.total)
  const grown = !equals(total.resources, agent.total.resources)
  const moved = !equalAttributes(agent.attributes, update.attributes)
  const learned = update.capabilities !== undefined && !sameItems(agent, update.capabilities)
  if (moved) {
    agent.attributes = update.attributes
    forgetFilters(cluster, agent)
  }
  if (learned) agent.capabilities = update.capabilities
  if (grown || moved || learned) setTotal(cluster, agent, total)
  return grown || moved || learned ? agent : undefined
}

function sameItems({ capabilities }: Agent, others: readonly AgentCapabilityType[]): boolean {
  return (
    capabilities?.length === others.length && others.every((each) => capabilities.includes(each))
  )
}

/** Its resources are offered from the next run on, or not any more. */
export function setAgentActive(cluster: Cluster, id: string, active: boolean): void {
  const agent = cluster.agents.get(id)
  if (agent !== undefined) setInService(cluster, agent, { active })
}

/** Only agents on these hosts are offered from the next run on; undefined = on all. */
export function setWhitelist(cluster: Cluster, hostnames: readonly string[] | undefined): void {
  cluster.whitelist = hostnames && new Set(hostnames)
  for (const agent of cluster.agents.values()) {
    setInService(cluster, agent, { listed: cluster.whitelist?.has(agent.hostname) ?? true })
  }
}

/** Offered shares that are in use now. */
export function useShare({ agents, frameworks }: Cluster, share: Share): void {
  const agent = agents.get(share.agent_id)
  const client = frameworks.get(share.framework_id)?.clients.get(share.role)
  if (agent !== undefined && client !== undefined) use(agent, client)
}

/**
 * Shares that are free again. What is not there any more (agent, framework, holding) is passed over:
 * it became free when that went. With `refuseSeconds`, frameworks that are active get a filter.
 */
export function recoverShare(
  cluster: Cluster,
  share: Share,
  refuseSeconds: number | undefined,
  nowMs: number,
): void {
  const agent = cluster.agents.get(share.agent_id)
  const client = cluster.frameworks.get(share.framework_id)?.clients.get(share.role)
  if (agent === undefined || client === undefined) return
  const freed = release(cluster, agent, client, share.resources)
  const durationMs = refuseSeconds === undefined ? 0 : refusalMs(refuseSeconds)
  if (durationMs > 0 && freed !== EMPTY && client.subscribed && client.framework.active) {
    const lastsMs = Math.max(durationMs, cluster.settings.allocationIntervalMs)
    refuse(client.filters, agent, { refused: freed, untilMs: nowMs + lastsMs })
  }
  if (client.agents.size === 0) refresh(cluster, client)
}

/** The total is another one; what is held of it stays held. */
export function setTotal(cluster: Cluster, agent: Agent, total: Bundle): void {
  countTotal(cluster, agent, agent.total, -1)
  countTotal(cluster, agent, total, 1)
  agent.total = total
  agent.nature = natureOf(agent, total, cluster.settings)
  touch(agent)
}

function forgetFilters(cluster: Cluster, agent: Agent): void {
  for (const client of cluster.clients) client?.filters.delete(agent)
}
