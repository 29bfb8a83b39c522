/** What an agent has, in the eyes of the agent, the master and its allocator: rule A1 when all is quiet. */
import { formatResources, none } from '../../src/resources/index.ts'
import type { Cluster } from './cluster.ts'
import { agentStateOf, leaderOf } from './views.ts'

/** The first agent of whose resources two hold different views; undefined if there is none. */
export function disagreement(cluster: Cluster): string | undefined {
  const leader = leaderOf(cluster)
  if (leader === undefined) return 'nobody leads'
  const { master, allocation } = leader
  for (const host of cluster.agents) {
    const agent = agentStateOf(host)
    const id = agent?.info.id?.value ?? ''
    const registered = master.agents.get(id)
    if (agent === undefined || registered === undefined) continue
    const own = formatResources(agent.ledger.total)
    const known = formatResources(registered.total)
    const shared = formatResources(allocation.agents.get(id)?.total.resources ?? none)
    if (own !== known || known !== shared)
      return `${host.name} has ${own}, its master knows of ${known}, the allocator of ${shared}`
  }
  return undefined
}
