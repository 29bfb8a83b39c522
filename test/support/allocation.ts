/** A cluster as the allocator sees it, without actors: short words for its tests. */

import {
  addAgent,
  type NewAgent,
  recoverShare,
  removeAgent,
} from '../../actors/allocator/agents.ts'
import { ResourceNames } from '../../actors/allocator/bundle.ts'
import { type Agent, type Cluster, newCluster } from '../../actors/allocator/cluster.ts'
import { addFramework } from '../../actors/allocator/frameworks.ts'
import { type AllocationOptions, settingsOf } from '../../actors/allocator/options.ts'
import { setQuotas } from '../../actors/allocator/quota-accounts.ts'
import { Run } from '../../actors/allocator/run.ts'
import type { FrameworkOptions, Share } from '../../protocol/allocator.ts'
import type { QuotaConfig, ValueScalar } from '../../protocol/v1/index.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  formatScalar,
  fromMillis,
  parseQuantities,
  parseResources,
  scalarMillis,
} from '../../src/resources/index.ts'
import { stream } from '../../src/runtime/ports/seeded-random.ts'

/** `cpus:2;mem:1024` as documents. */
export function documents(text: string): Resource[] {
  const parsed = parseResources(text)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return [...parsed.value]
}

/** The quota document for `cpus:2;mem:1024`. */
export function quotaConfig(role: string, guarantees = '', limits = ''): QuotaConfig {
  return { role, guarantees: amounts(guarantees), limits: amounts(limits) }
}

function amounts(text: string): Record<string, ValueScalar> {
  const parsed = parseQuantities(text)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return Object.fromEntries(
    [...parsed.value].map(([name, millis]) => [name, { value: fromMillis(millis) }]),
  )
}

export interface Books {
  readonly cluster: Cluster
  /** Adds an active framework; default role `*`, with MULTI_ROLE and all that opts in to nothing. */
  framework(id: string, roles?: string[], more?: Partial<FrameworkOptions>): void
  /** Adds an active agent of these resources. */
  agent(id: string, total: string | Resource[], more?: Partial<NewAgent>): void
  removeAgent(id: string): void
  /** Guarantees and limits of a role, as `cpus:2;mem:1024`; none takes its quota away. */
  quota(role: string, guarantees?: string, limits?: string): void
  /** A run over all agents, or over these, in the order of their being added. */
  run(agents?: readonly string[]): Share[]
  /** Gives shares back, with a filter if it says for how long. */
  recover(shares: readonly Share[], refuseSeconds?: number): void
  /** Monotonic ms; runs are queued and filters installed at it. */
  nowMs: number
  /** Dominant share of a framework in a role, or of a whole role. */
  share(role: string, framework?: string): number
}

export function books(options: AllocationOptions = {}, seed = 1): Books {
  const names = new ResourceNames()
  const cluster = newCluster(settingsOf(options)(names), names, stream(seed))
  return {
    cluster,
    nowMs: 0,
    framework(id, roles = ['*'], more = {}) {
      const framework: FrameworkOptions = {
        framework_id: id,
        roles,
        suppressed_roles: [],
        capabilities: ['MULTI_ROLE'],
        ...more,
      }
      addFramework(cluster, framework, true, [])
    },
    agent(id, total, more = {}) {
      addAgent(cluster, {
        agent_id: id,
        hostname: id,
        attributes: [],
        total: typeof total === 'string' ? documents(total) : total,
        active: true,
        used: [],
        ...more,
      })
    },
    quota: (role, guarantees, limits) =>
      setQuotas(cluster, [quotaConfig(role, guarantees, limits)]),
    removeAgent: (id) => removeAgent(cluster, id),
    run(agents = [...cluster.agents.keys()]) {
      const run = new Run(cluster, this.nowMs)
      const list = agents.map((id) => cluster.agents.get(id) as Agent)
      for (const agent of list) run.guarantee(agent)
      for (const agent of list) run.allocate(agent)
      return run.take()
    },
    recover(shares, refuseSeconds) {
      for (const share of shares) recoverShare(cluster, share, refuseSeconds, this.nowMs)
    },
    share(role, framework) {
      const node =
        framework === undefined
          ? cluster.roles.find(role)?.node
          : cluster.frameworks.get(framework)?.clients.get(role)?.leaf
      if (node === undefined) throw new Error(`nobody is in role ${role}`)
      return cluster.tree.dominantShare(node)
    },
  }
}

/** `f1 a1 cpus:2 mem:1024` for each share: who got what where. */
export function told(shares: readonly Share[]): string[] {
  return shares.map(({ framework_id, agent_id, resources }) => {
    const list = resources as Parameters<typeof scalarMillis>[0] & Resource[]
    const amounts = [...new Set(list.map(({ name }) => name))].map(
      (name) => `${name}:${formatScalar((scalarMillis(list, name) ?? 0) / 1000)}`,
    )
    return [framework_id, agent_id, ...amounts].join(' ')
  })
}
