/** What agents and masters say about themselves. Spec: scheduler-api.md, Appendix A.2; states.md §4.2. */
import Type, { type Static } from 'typebox'
import { named, Uint32 } from '../schema.ts'
import { Address, AgentId, DurationInfo } from './ids.ts'
import { Attribute, Resource } from './resources.ts'

const place = Type.Object({ name: Type.String() })

const domainInfo = Type.Object({
  fault_domain: Type.Optional(Type.Object({ region: place, zone: place })),
})
export interface DomainInfo extends Static<typeof domainInfo> {}
export const DomainInfo = named<DomainInfo>('DomainInfo', domainInfo)

export const AgentCapabilityType = Type.Enum([
  'UNKNOWN',
  'MULTI_ROLE',
  'HIERARCHICAL_ROLE',
  'RESERVATION_REFINEMENT',
  'RESOURCE_PROVIDER',
  'RESIZE_VOLUME',
  'AGENT_OPERATION_FEEDBACK',
  'AGENT_DRAINING',
  'TASK_RESOURCE_LIMITS',
])
export type AgentCapabilityType = Static<typeof AgentCapabilityType>

const agentCapability = Type.Object({ type: Type.Optional(AgentCapabilityType) })
export interface AgentCapability extends Static<typeof agentCapability> {}
export const AgentCapability = named<AgentCapability>('AgentInfo.Capability', agentCapability)

const agentInfo = Type.Object({
  hostname: Type.String(),
  port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, default: 5051 })),
  resources: Type.Optional(Type.Array(Resource)),
  attributes: Type.Optional(Type.Array(Attribute)),
  id: Type.Optional(AgentId),
  domain: Type.Optional(DomainInfo),
})
export interface AgentInfo extends Static<typeof agentInfo> {}
export const AgentInfo = named<AgentInfo>('AgentInfo', agentInfo)

export const MasterCapabilityType = Type.Enum([
  'UNKNOWN',
  'AGENT_UPDATE',
  'AGENT_DRAINING',
  'QUOTA_V2',
])
export type MasterCapabilityType = Static<typeof MasterCapabilityType>

const masterInfo = Type.Object({
  id: Type.String(),
  /** IPv4 address as a number; deprecated by `address`, yet required. */
  ip: Uint32,
  port: Uint32,
  pid: Type.Optional(Type.String()),
  hostname: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  address: Type.Optional(Address),
  domain: Type.Optional(DomainInfo),
  capabilities: Type.Optional(
    Type.Array(Type.Object({ type: Type.Optional(MasterCapabilityType) })),
  ),
})
export interface MasterInfo extends Static<typeof masterInfo> {}
export const MasterInfo = named<MasterInfo>('MasterInfo', masterInfo)

const drainConfig = Type.Object({
  max_grace_period: Type.Optional(DurationInfo),
  mark_gone: Type.Optional(Type.Boolean({ default: false })),
})
export interface DrainConfig extends Static<typeof drainConfig> {}
export const DrainConfig = named<DrainConfig>('DrainConfig', drainConfig)

const drainInfo = Type.Object({
  state: Type.Enum(['UNKNOWN', 'DRAINING', 'DRAINED']),
  config: DrainConfig,
})
export interface DrainInfo extends Static<typeof drainInfo> {}
export const DrainInfo = named<DrainInfo>('DrainInfo', drainInfo)

const versionInfo = Type.Object({
  version: Type.String(),
  build_date: Type.Optional(Type.String()),
  build_time: Type.Optional(Type.Number()),
  build_user: Type.Optional(Type.String()),
  git_sha: Type.Optional(Type.String()),
  git_branch: Type.Optional(Type.String()),
  git_tag: Type.Optional(Type.String()),
})
export interface VersionInfo extends Static<typeof versionInfo> {}
export const VersionInfo = named<VersionInfo>('VersionInfo', versionInfo)
