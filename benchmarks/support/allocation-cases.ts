/** The worlds of the benchmark `allocation`. Spec: allocator.md §16; the parameters are Mesos'. */
import { type AllocationOptions, loadPolicy } from '../../actors/allocator/index.ts'
import { type FrameworkOptions, UpdateQuota } from '../../protocol/allocator.ts'
import type { QuotaConfig } from '../../protocol/v1/quota.ts'
import type { Resource, ValueScalar } from '../../protocol/v1/resources.ts'
import { type Context, pid } from '../../src/runtime/index.ts'
import { agent, framework, type NewAgent, ports, portsUpTo, scalar } from './allocator-world.ts'

export interface Setting {
  readonly options: AllocationOptions
  /** Told before anything else. */
  readonly prepare?: (cx: Context) => void
  readonly frameworks: readonly FrameworkOptions[]
  readonly agents: readonly NewAgent[]
  /** Everybody declines everything for ever, before idle runs are measured. */
  readonly declined?: boolean
}

export interface Case {
  readonly name: string
  /** First targets, and the same by Mesos' C++ allocator, ms; where there are any. */
  readonly target?: { readonly cycleMs: number; readonly idleMs: number }
  readonly mesos?: { readonly cycleMs: number; readonly idleMs: number }
  /** `scale` divides the numbers of agents and frameworks. */
  setting(scale: number): Promise<Setting>
}

export const cases: readonly Case[] = [
  // LargeAndSmallQuota
  { name: 'quota 30', setting: (scale) => quotas('drf', 25 / scale, 5 / scale) },
  {
    name: 'quota 300',
    target: { cycleMs: 9, idleMs: 3 },
    mesos: { cycleMs: 100, idleMs: 90 },
    setting: (scale) => quotas('drf', 250 / scale, 50 / scale),
  },
  {
    name: 'quota 3000',
    target: { cycleMs: 120, idleMs: 30 },
    mesos: { cycleMs: 23_600, idleMs: 18_700 },
    setting: (scale) => quotas('drf', 2500 / scale, 500 / scale),
  },
  { name: 'quota 3000, random', setting: (scale) => quotas('random', 2500 / scale, 500 / scale) },
  {
    name: 'quota 3000, limits',
    setting: (scale) => quotas('drf', 2500 / scale, 500 / scale, true),
  },
  // NonQuotaVsQuota
  { name: 'no quota, 2 per role', setting: (scale) => pairs(1000 / scale, false) },
  { name: 'quota, 2 per role', setting: (scale) => pairs(1000 / scale, true) },
  // DeclineOffers, after all rounds
  { name: 'filters', setting: (scale) => plain('drf', 1000 / scale, 200 / scale, true) },
  { name: 'filters, random', setting: (scale) => plain('random', 1000 / scale, 200 / scale, true) },
  { name: 'random', setting: (scale) => plain('random', 10_000 / scale, 1000 / scale) },
  // SuppressOffers, at the extreme
  { name: '99 % suppressed', setting: (scale) => suppressed(10_000 / scale, 1000 / scale) },
  { name: 'ports in 100 pieces', setting: (scale) => scattered(2000 / scale, 200 / scale, 100) },
  // HierarchyFullSort
  { name: 'roles, 2 levels of 32', setting: (scale) => deep(10_000 / scale, 2, 32) },
  { name: 'roles, 6 levels of 3', setting: (scale) => deep(10_000 / scale, 6, 3) },
  { name: 'roles, 9 levels of 2', setting: (scale) => deep(10_000 / scale, 9, 2) },
  // ResourceLabels
  { name: 'labels', setting: (scale) => labelled(2000 / scale, 200 / scale) },
  { name: 'labels, filters', setting: (scale) => labelled(1000 / scale, 200 / scale, true) },
  // PersistentVolumes
  { name: 'volumes', setting: (scale) => volumes(2000 / scale, 200 / scale, ['own']) },
  { name: 'shared volumes', setting: (scale) => volumes(2000 / scale, 200 / scale, ['shared']) },
  {
    name: 'volumes of both kinds',
    setting: (scale) => volumes(2000 / scale, 200 / scale, ['own', 'shared']),
  },
]

async function quotas(
  policy: string,
  small: number,
  large: number,
  limited = false,
): Promise<Setting> {
  const amounts = (cpus: number, mem: number): Record<string, ValueScalar> => ({
    cpus: { value: cpus },
    mem: { value: mem },
    disk: { value: mem },
  })
  const roles = indices(small + large).map((i) => `role-${i}`)
  const quota_configs: QuotaConfig[] = roles.map((role, i) => {
    const guarantees = i < small ? amounts(1, 1024) : amounts(4, 4096)
    return { role, guarantees, ...(limited && { limits: guarantees }) }
  })
  return {
    options: { policy: await loadPolicy(policy) },
    prepare: (cx) => cx.send(pid('allocator', 'bench'), UpdateQuota, { quota_configs }),
    frameworks: roles.map((role, i) => framework(`framework-${i}`, [role])),
    agents: agentsOf(small / 5 + large * 5, () => [
      scalar('cpus', 2),
      scalar('mem', 2048),
      scalar('disk', 2048),
    ]),
  }
}

/** Two agents and two frameworks a role, whose quota is as much as its two agents. */
async function pairs(count: number, withQuota: boolean): Promise<Setting> {
  const roles = indices(count).map((i) => `role-${i}`)
  const guarantees = { cpus: { value: 4 }, mem: { value: 4096 }, disk: { value: 4096 } }
  const quota_configs = roles.map((role) => ({ role, guarantees }))
  return {
    options: {},
    ...(withQuota && {
      prepare: (cx: Context) => cx.send(pid('allocator', 'bench'), UpdateQuota, { quota_configs }),
    }),
    frameworks: roles.flatMap((role) =>
      ['a', 'b'].map((name) => framework(`framework-${role}-${name}`, [role])),
    ),
    agents: agentsOf(count * 2, () => [
      scalar('cpus', 2),
      scalar('mem', 2048),
      scalar('disk', 2048),
    ]),
  }
}

async function plain(
  policy: string,
  agents: number,
  frameworks: number,
  declined = false,
): Promise<Setting> {
  return {
    options: { policy: await loadPolicy(policy) },
    frameworks: inRole('*', frameworks),
    agents: agentsOf(agents, machine),
    declined,
  }
}

async function suppressed(agents: number, frameworks: number): Promise<Setting> {
  return {
    options: {},
    frameworks: inRole('*', frameworks).map((each, i) =>
      i % 100 === 0 ? each : { ...each, suppressed_roles: ['*'] },
    ),
    agents: agentsOf(agents, machine),
  }
}

/** Each second range of ten ports is in use. */
async function scattered(agents: number, frameworks: number, pieces: number): Promise<Setting> {
  return {
    options: {},
    frameworks: inRole('*', frameworks),
    agents: indices(agents).map((i) => {
      const agent_id = `agent-${i}`
      const used = {
        framework_id: `framework-${i % frameworks}`,
        role: '*',
        agent_id,
        resources: [scalar('cpus', 16), scalar('mem', 2014), scalar('disk', 1024), ports(pieces)],
      }
      return agent(agent_id, [...machine().slice(0, 3), portsUpTo(34_000)], [used])
    }),
  }
}

/** A tree of roles with a framework in each: 1056, 1092 and 1022 of them. */
async function deep(agents: number, levels: number, branches: number): Promise<Setting> {
  const below = (prefix: string, level: number): string[] =>
    level === 0
      ? []
      : indices(branches).flatMap((i) => [`${prefix}${i}`, ...below(`${prefix}${i}/`, level - 1)])
  return {
    options: {},
    frameworks: below('', levels).map((role) => framework(`framework-${role}`, [role])),
    agents: agentsOf(agents, machine),
  }
}

/** Two reservations of 8 cpus an agent, of which only the last of twelve labels differs. */
async function labelled(agents: number, frameworks: number, declined = false): Promise<Setting> {
  const reserved = (id: string): Resource => ({
    ...scalar('cpus', 8),
    reservations: [
      {
        type: 'DYNAMIC',
        role: 'role1',
        principal: 'p',
        labels: {
          labels: indices(12).map((i) => ({ key: `key-${i}`, value: i === 11 ? id : 'value' })),
        },
      },
    ],
  })
  return {
    options: {},
    frameworks: inRole('role1', frameworks),
    agents: agentsOf(agents, (i) => [...machine(), reserved(`${i}-a`), reserved(`${i}-b`)]),
    declined,
  }
}

/** Everything is reserved, and a volume of 1 GiB of each of these kinds is made of it. */
async function volumes(
  agents: number,
  frameworks: number,
  kinds: ReadonlyArray<'own' | 'shared'>,
): Promise<Setting> {
  const reservations = [{ type: 'DYNAMIC' as const, role: 'test', principal: 'p' }]
  const volume = (kind: 'own' | 'shared', id: string): Resource => ({
    ...scalar('disk', 1024),
    disk: {
      persistence: { id, principal: 'p' },
      volume: { mode: 'RW', container_path: 'data' },
    },
    ...(kind === 'shared' && { shared: {} }),
  })
  return {
    options: {},
    frameworks: inRole('test', frameworks).map((each) => ({
      ...each,
      capabilities: ['MULTI_ROLE', 'SHARED_RESOURCES'],
    })),
    agents: agentsOf(agents, (i) =>
      [...machine(), ...kinds.map((kind) => volume(kind, `${kind}-${i}`))].map((resource) => ({
        ...resource,
        reservations,
      })),
    ),
  }
}

function machine(): Resource[] {
  return [scalar('cpus', 24), scalar('mem', 4096), scalar('disk', 4096), portsUpTo(32_000)]
}

function inRole(role: string, count: number): FrameworkOptions[] {
  return indices(count).map((i) => framework(`framework-${i}`, [role]))
}

function agentsOf(count: number, total: (index: number) => Resource[]): NewAgent[] {
  return indices(count).map((i) => agent(`agent-${i}`, total(i)))
}

function indices(count: number): number[] {
  return Array.from({ length: Math.max(1, Math.round(count)) }, (_, i) => i)
}
