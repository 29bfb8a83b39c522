/** What operators read: frameworks, agents, roles, files, metrics. Spec: operator-api.md §B, §F. */
import Type, { type Static } from 'typebox'
import { Double, Int32, mapOf, named, Uint32, Uint64 } from '../schema.ts'
import { AgentCapability, AgentInfo, DrainInfo } from './agent.ts'
import { ExecutorInfo } from './command.ts'
import { ContainerStatus } from './container.ts'
import { FrameworkInfo, OfferConstraints } from './framework.ts'
import { AgentId, ContainerId, ExecutorId, FrameworkId, TimeInfo } from './ids.ts'
import { InverseOffer, Offer } from './offer.ts'
import { QuotaState } from './quota.ts'
import { Resource, ValueScalar } from './resources.ts'

const resources = Type.Optional(Type.Array(Resource))

const agentState = Type.Object({
  agent_info: AgentInfo,
  /** False when disconnected, deactivated or draining. */
  active: Type.Boolean(),
  deactivated: Type.Optional(Type.Boolean()),
  version: Type.String(),
  pid: Type.Optional(Type.String()),
  registered_time: Type.Optional(TimeInfo),
  reregistered_time: Type.Optional(TimeInfo),
  total_resources: resources,
  allocated_resources: resources,
  offered_resources: resources,
  capabilities: Type.Optional(Type.Array(AgentCapability)),
  drain_info: Type.Optional(DrainInfo),
  estimated_drain_start_time: Type.Optional(TimeInfo),
})
/** An agent as the master sees it. */
export interface AgentState extends Static<typeof agentState> {}
export const AgentState = named<AgentState>('GetAgents.Agent', agentState)

const frameworkState = Type.Object({
  framework_info: FrameworkInfo,
  active: Type.Boolean(),
  connected: Type.Boolean(),
  recovered: Type.Boolean(),
  registered_time: Type.Optional(TimeInfo),
  reregistered_time: Type.Optional(TimeInfo),
  unregistered_time: Type.Optional(TimeInfo),
  offers: Type.Optional(Type.Array(Offer)),
  inverse_offers: Type.Optional(Type.Array(InverseOffer)),
  allocated_resources: resources,
  offered_resources: resources,
  offer_constraints: Type.Optional(OfferConstraints),
})
/** A framework as the master sees it. */
export interface FrameworkState extends Static<typeof frameworkState> {}
export const FrameworkState = named<FrameworkState>('GetFrameworks.Framework', frameworkState)

const role = Type.Object({
  name: Type.String(),
  weight: Double,
  frameworks: Type.Optional(Type.Array(FrameworkId)),
  /** Allocated and offered: cpus, gpus, mem and disk. */
  resources,
  /** As in Mesos' older endpoint, by resource name; of the role and of all roles below it. */
  allocated: Type.Optional(mapOf(ValueScalar)),
  offered: Type.Optional(mapOf(ValueScalar)),
  /** Used or not. */
  reserved: Type.Optional(mapOf(ValueScalar)),
  /** If one is set. */
  quota: Type.Optional(QuotaState),
})
export interface Role extends Static<typeof role> {}
export const Role = named<Role>('Role', role)

const executorState = Type.Object({ executor_info: ExecutorInfo, agent_id: AgentId })
export interface ExecutorState extends Static<typeof executorState> {}
export const ExecutorState = named<ExecutorState>('GetExecutors.Executor', executorState)

const resourceStatistics = Type.Object({
  /** Seconds since the Unix epoch. */
  timestamp: Double,
  processes: Type.Optional(Uint32),
  threads: Type.Optional(Uint32),
  cpus_user_time_secs: Type.Optional(Double),
  cpus_system_time_secs: Type.Optional(Double),
  cpus_limit: Type.Optional(Double),
  cpus_soft_limit: Type.Optional(Double),
  cpus_nr_periods: Type.Optional(Uint32),
  cpus_nr_throttled: Type.Optional(Uint32),
  cpus_throttled_time_secs: Type.Optional(Double),
  mem_total_bytes: Type.Optional(Uint64),
  mem_limit_bytes: Type.Optional(Uint64),
  mem_soft_limit_bytes: Type.Optional(Uint64),
  mem_file_bytes: Type.Optional(Uint64),
  mem_anon_bytes: Type.Optional(Uint64),
  mem_cache_bytes: Type.Optional(Uint64),
  mem_rss_bytes: Type.Optional(Uint64),
  mem_mapped_file_bytes: Type.Optional(Uint64),
  mem_swap_bytes: Type.Optional(Uint64),
  disk_limit_bytes: Type.Optional(Uint64),
  disk_used_bytes: Type.Optional(Uint64),
  net_rx_packets: Type.Optional(Uint64),
  net_rx_bytes: Type.Optional(Uint64),
  net_rx_errors: Type.Optional(Uint64),
  net_rx_dropped: Type.Optional(Uint64),
  net_tx_packets: Type.Optional(Uint64),
  net_tx_bytes: Type.Optional(Uint64),
  net_tx_errors: Type.Optional(Uint64),
  net_tx_dropped: Type.Optional(Uint64),
})
/** What a container uses. Mesos' further counters are let through as they come. */
export interface ResourceStatistics extends Static<typeof resourceStatistics> {}
export const ResourceStatistics = named<ResourceStatistics>(
  'ResourceStatistics',
  resourceStatistics,
)

const containerState = Type.Object({
  framework_id: Type.Optional(FrameworkId),
  executor_id: Type.Optional(ExecutorId),
  executor_name: Type.Optional(Type.String()),
  container_id: ContainerId,
  container_status: Type.Optional(ContainerStatus),
  resource_statistics: Type.Optional(ResourceStatistics),
})
export interface ContainerState extends Static<typeof containerState> {}
export const ContainerState = named<ContainerState>('GetContainers.Container', containerState)

const flag = Type.Object({ name: Type.String(), value: Type.Optional(Type.String()) })
export interface Flag extends Static<typeof flag> {}
export const Flag = named<Flag>('Flag', flag)

const metric = Type.Object({ name: Type.String(), value: Type.Optional(Double) })
export interface Metric extends Static<typeof metric> {}
export const Metric = named<Metric>('Metric', metric)

const fileInfo = Type.Object({
  path: Type.String(),
  nlink: Type.Optional(Int32),
  /** Bytes. */
  size: Type.Optional(Uint64),
  mtime: Type.Optional(TimeInfo),
  /** Type and permission bits as `stat` gives them. */
  mode: Type.Optional(Uint32),
  /** Names of the owner and group. */
  uid: Type.Optional(Type.String()),
  gid: Type.Optional(Type.String()),
})
export interface FileInfo extends Static<typeof fileInfo> {}
export const FileInfo = named<FileInfo>('FileInfo', fileInfo)
