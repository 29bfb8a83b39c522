/** What an operator may set on a master. Defaults are Mesos' (master.md §17). */
import Type, { type Static } from 'typebox'
import { MesetaError } from '../../protocol/errors.ts'
import type { DomainInfo } from '../../protocol/v1/agent.ts'
import { formatFault, parseFaultDomain } from '../../src/resources/index.ts'
import { logSettings } from '../log/index.ts'

const milliseconds = (description: string, value: number) =>
  Type.Number({ description: `${description}, in milliseconds`, default: value, minimum: 1 })

const count = (description: string, value: number) =>
  Type.Integer({ description, default: value, minimum: 1 })

export const MasterOptions = Type.Object({
  work_dir: Type.String({
    description: 'directory for what must survive',
    default: '/var/lib/meseta/master',
  }),
  log_dir: Type.String({
    description: "directory of this master's replica of the log, default: log in the work dir",
    default: '',
  }),
  ...logSettings,
  lease_ms: milliseconds(
    'the leader acts for this time after a quorum of replicas was last heard; another is elected after it',
    2000,
  ),
  hostname: Type.String({
    description: 'name shown to frameworks, default: the host',
    default: '',
  }),
  allocator: Type.String({
    description:
      'who is served first: drf, priority, random, or the path of a module with a policy',
    default: 'drf',
  }),
  allocation_interval_ms: milliseconds('between two rounds of allocation', 1000),
  min_allocatable_resources: Type.String({
    description: 'least that is worth an offer: ";" is and, "|" is or',
    default: 'cpus:0.01|mem:32',
  }),
  filter_gpu_resources: Type.Boolean({
    description: 'agents with gpus are offered only to frameworks with GPU_RESOURCES',
    default: true,
  }),
  fair_sharing_excluded_resource_names: Type.Array(Type.String(), {
    description: 'resources that do not count in shares',
    default: [],
  }),
  fault_domain: Type.String({
    description:
      'REGION/ZONE of this master; agents of other regions are offered only to frameworks with REGION_AWARE',
    default: '',
    placeholder: 'REGION/ZONE',
  }),
  whitelist: Type.String({
    description:
      'file with the hosts whose agents are offered, one on a line, read every 5 seconds; default: all',
    default: '',
    placeholder: 'FILE',
  }),
  allocator_agent_recovery_factor: Type.Number({
    description:
      'after a failover with quotas nothing is offered before this part of the agents is back',
    default: 0.8,
    minimum: 0,
    maximum: 1,
  }),
  allocator_recovery_timeout_ms: milliseconds('but it is waited for no longer than this', 600_000),
  weights: Type.Array(Type.String(), { description: 'ROLE=WEIGHT, ...', default: [] }),
  agent_ping_timeout_ms: milliseconds('an agent must answer a ping within this time', 15_000),
  max_agent_ping_timeouts: count('unanswered pings after which an agent is unreachable', 5),
  agent_reregister_timeout_ms: milliseconds(
    'a disconnected agent, or one known before a failover, must register again within this time',
    600_000,
  ),
  agent_removal_rate_limit: Type.String({
    description:
      'at most so many agents become unreachable in a time, as in 10/1mins; default: no limit',
    default: '',
    placeholder: 'COUNT/TIME',
  }),
  recovery_agent_removal_limit: Type.String({
    description:
      'a new leader gives up leading when more of the agents than this have not come back in time',
    default: '100%',
    placeholder: 'PERCENT',
  }),
  registry_gc_interval_ms: milliseconds('between two looks for agents to forget', 900_000),
  registry_max_agent_age_ms: milliseconds(
    'agents that have been unreachable or gone for this time are forgotten',
    14 * 24 * 3600 * 1000,
  ),
  registry_max_agent_count: count(
    'unreachable agents, and gone ones, that are remembered',
    102_400,
  ),
  offer_timeout_ms: Type.Number({
    description: 'offers are rescinded after this time, in milliseconds; 0 = never',
    default: 0,
    minimum: 0,
  }),
  rate_limits: Type.String({
    description:
      "how many calls frameworks may make a second, by principal: Mesos' JSON document or the path of a file with it; default: no limits",
    default: '',
    placeholder: 'JSON|FILE',
  }),
  heartbeat_interval_ms: milliseconds('between two heartbeats to a framework', 15_000),
  max_completed_frameworks: count('frameworks that are remembered after their end', 50),
  max_completed_tasks_per_framework: count('ended tasks that are remembered', 1000),
  max_unreachable_tasks_per_framework: count('tasks on unreachable agents that are kept', 1000),
  max_queued_calls_per_framework: count('calls of one framework that may wait', 100_000),
})
export type MasterOptions = Static<typeof MasterOptions>

/**
 * The fault domain that the master is in.
 * @throws MesetaError USAGE if it cannot be read
 */
export function domainOf({ fault_domain }: MasterOptions): DomainInfo | undefined {
  if (fault_domain === '') return undefined
  const parsed = parseFaultDomain(fault_domain)
  if (!parsed.ok)
    throw new MesetaError('USAGE', { problem: `fault_domain: ${formatFault(parsed.error)}` })
  return parsed.value
}
