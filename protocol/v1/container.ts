/** Containers, their networks and limits, and service discovery. Spec: scheduler-api.md, Appendix A.2. */
import Type, { type Static } from 'typebox'
import { named, Uint32, Uint64 } from '../schema.ts'
import { ContainerId } from './ids.ts'
import { Image, Labels, Parameter, Volume } from './resources.ts'

export const NetworkProtocol = Type.Enum(['IPv4', 'IPv6'], { default: 'IPv4' })
export type NetworkProtocol = Static<typeof NetworkProtocol>

const portMapping = Type.Object({
  host_port: Uint32,
  container_port: Uint32,
  protocol: Type.Optional(Type.String()),
})
export interface PortMapping extends Static<typeof portMapping> {}
export const PortMapping = named<PortMapping>('NetworkInfo.PortMapping', portMapping)

const networkInfo = Type.Object({
  ip_addresses: Type.Optional(
    Type.Array(
      Type.Object({
        protocol: Type.Optional(NetworkProtocol),
        ip_address: Type.Optional(Type.String()),
      }),
    ),
  ),
  name: Type.Optional(Type.String()),
  groups: Type.Optional(Type.Array(Type.String())),
  labels: Type.Optional(Labels),
  port_mappings: Type.Optional(Type.Array(PortMapping)),
})
export interface NetworkInfo extends Static<typeof networkInfo> {}
export const NetworkInfo = named<NetworkInfo>('NetworkInfo', networkInfo)

/** Linux capabilities by their kernel names without `CAP_`. */
export const LinuxCapability = Type.Enum([
  'UNKNOWN',
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
])
export type LinuxCapability = Static<typeof LinuxCapability>

const capabilityInfo = Type.Object({ capabilities: Type.Optional(Type.Array(LinuxCapability)) })
export interface CapabilityInfo extends Static<typeof capabilityInfo> {}
export const CapabilityInfo = named<CapabilityInfo>('CapabilityInfo', capabilityInfo)

const linuxInfo = Type.Object({
  /** Deprecated: `effective_capabilities`. */
  capability_info: Type.Optional(CapabilityInfo),
  bounding_capabilities: Type.Optional(CapabilityInfo),
  effective_capabilities: Type.Optional(CapabilityInfo),
  share_pid_namespace: Type.Optional(Type.Boolean()),
  seccomp: Type.Optional(
    Type.Object({
      profile_name: Type.Optional(Type.String()),
      unconfined: Type.Optional(Type.Boolean()),
    }),
  ),
  ipc_mode: Type.Optional(Type.Enum(['UNKNOWN', 'PRIVATE', 'SHARE_PARENT'])),
  /** MiB. */
  shm_size: Type.Optional(Uint32),
  share_cgroups: Type.Optional(Type.Boolean({ default: true })),
})
export interface LinuxInfo extends Static<typeof linuxInfo> {}
export const LinuxInfo = named<LinuxInfo>('LinuxInfo', linuxInfo)

const resourceLimit = Type.Object({
  type: Type.Optional(
    Type.Enum([
      'UNKNOWN',
      'RLMT_AS',
      'RLMT_CORE',
      'RLMT_CPU',
      'RLMT_DATA',
      'RLMT_FSIZE',
      'RLMT_LOCKS',
      'RLMT_MEMLOCK',
      'RLMT_MSGQUEUE',
      'RLMT_NICE',
      'RLMT_NOFILE',
      'RLMT_NPROC',
      'RLMT_RSS',
      'RLMT_RTPRIO',
      'RLMT_RTTIME',
      'RLMT_SIGPENDING',
      'RLMT_STACK',
    ]),
  ),
  hard: Type.Optional(Uint64),
  soft: Type.Optional(Uint64),
})

const rlimitInfo = Type.Object({ rlimits: Type.Optional(Type.Array(resourceLimit)) })
export interface RlimitInfo extends Static<typeof rlimitInfo> {}
export const RlimitInfo = named<RlimitInfo>('RLimitInfo', rlimitInfo)

const ttyInfo = Type.Object({
  window_size: Type.Optional(Type.Object({ rows: Uint32, columns: Uint32 })),
})
export interface TtyInfo extends Static<typeof ttyInfo> {}
export const TtyInfo = named<TtyInfo>('TTYInfo', ttyInfo)

const dockerInfo = Type.Object({
  image: Type.String(),
  network: Type.Optional(Type.Enum(['HOST', 'BRIDGE', 'NONE', 'USER'], { default: 'HOST' })),
  port_mappings: Type.Optional(Type.Array(PortMapping)),
  privileged: Type.Optional(Type.Boolean({ default: false })),
  parameters: Type.Optional(Type.Array(Parameter)),
  force_pull_image: Type.Optional(Type.Boolean()),
  /** Deprecated: a volume's source names its driver. */
  volume_driver: Type.Optional(Type.String()),
})
export interface DockerInfo extends Static<typeof dockerInfo> {}
export const DockerInfo = named<DockerInfo>('ContainerInfo.DockerInfo', dockerInfo)

const containerInfo = Type.Object({
  type: Type.Enum(['DOCKER', 'MESOS']),
  volumes: Type.Optional(Type.Array(Volume)),
  hostname: Type.Optional(Type.String()),
  docker: Type.Optional(DockerInfo),
  mesos: Type.Optional(Type.Object({ image: Type.Optional(Image) })),
  network_infos: Type.Optional(Type.Array(NetworkInfo)),
  linux_info: Type.Optional(LinuxInfo),
  rlimit_info: Type.Optional(RlimitInfo),
  tty_info: Type.Optional(TtyInfo),
})
export interface ContainerInfo extends Static<typeof containerInfo> {}
export const ContainerInfo = named<ContainerInfo>('ContainerInfo', containerInfo)

const containerStatus = Type.Object({
  container_id: Type.Optional(ContainerId),
  network_infos: Type.Optional(Type.Array(NetworkInfo)),
  cgroup_info: Type.Optional(
    Type.Object({ net_cls: Type.Optional(Type.Object({ classid: Type.Optional(Uint32) })) }),
  ),
  executor_pid: Type.Optional(Uint32),
})
export interface ContainerStatus extends Static<typeof containerStatus> {}
export const ContainerStatus = named<ContainerStatus>('ContainerStatus', containerStatus)

const visibility = Type.Enum(['FRAMEWORK', 'CLUSTER', 'EXTERNAL'])

const port = Type.Object({
  number: Uint32,
  name: Type.Optional(Type.String()),
  protocol: Type.Optional(Type.String()),
  visibility: Type.Optional(visibility),
  labels: Type.Optional(Labels),
})
export interface Port extends Static<typeof port> {}
export const Port = named<Port>('Port', port)

const discoveryInfo = Type.Object({
  visibility,
  name: Type.Optional(Type.String()),
  environment: Type.Optional(Type.String()),
  location: Type.Optional(Type.String()),
  version: Type.Optional(Type.String()),
  ports: Type.Optional(Type.Object({ ports: Type.Optional(Type.Array(Port)) })),
  labels: Type.Optional(Labels),
})
export interface DiscoveryInfo extends Static<typeof discoveryInfo> {}
export const DiscoveryInfo = named<DiscoveryInfo>('DiscoveryInfo', discoveryInfo)
