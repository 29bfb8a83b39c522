/**
 * Mesos v1's resource documents, field for field: values, attributes, resources, and what a disk
 * resource needs to describe a volume. Spec: scheduler-api.md, Appendix A.2; resources.md §3.
 *
 * Presence matters everywhere: "has X" means that the property is there, which is different from
 * "X equals its default". Repeated fields may be absent, which means empty.
 */
import Type, { type Static } from 'typebox'

/** A label; its value may be absent, which differs from the empty string. */
export const Label = Type.Object({ key: Type.String(), value: Type.Optional(Type.String()) })
export type Label = Static<typeof Label>

export const Labels = Type.Object({ labels: Type.Optional(Type.Array(Label)) })
export type Labels = Static<typeof Labels>

export const Parameter = Type.Object({ key: Type.String(), value: Type.String() })
export type Parameter = Static<typeof Parameter>

export const Parameters = Type.Object({ parameter: Type.Optional(Type.Array(Parameter)) })
export type Parameters = Static<typeof Parameters>

// --- Values ---

export const ValueType = Type.Enum(['SCALAR', 'RANGES', 'SET', 'TEXT'])
export type ValueType = Static<typeof ValueType>

/** A double on the wire; compared and added as whole thousandths. */
export const ValueScalar = Type.Object({ value: Type.Number() })
export type ValueScalar = Static<typeof ValueScalar>

/** uint64 in Mesos; here every bound must be a safe integer (at most 2^53 - 1). */
const RangeBound = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

/** Both ends are inclusive. */
export const ValueRange = Type.Object({ begin: RangeBound, end: RangeBound })
export type ValueRange = Static<typeof ValueRange>

export const ValueRanges = Type.Object({ range: Type.Optional(Type.Array(ValueRange)) })
export type ValueRanges = Static<typeof ValueRanges>

export const ValueSet = Type.Object({ item: Type.Optional(Type.Array(Type.String())) })
export type ValueSet = Static<typeof ValueSet>

export const ValueText = Type.Object({ value: Type.String() })
export type ValueText = Static<typeof ValueText>

export const Value = Type.Object({
  type: ValueType,
  scalar: Type.Optional(ValueScalar),
  ranges: Type.Optional(ValueRanges),
  set: Type.Optional(ValueSet),
  text: Type.Optional(ValueText),
})
export type Value = Static<typeof Value>

/** What an agent tells about itself beyond its resources; duplicates of a name are allowed. */
export const Attribute = Type.Object({
  name: Type.String(),
  type: ValueType,
  scalar: Type.Optional(ValueScalar),
  ranges: Type.Optional(ValueRanges),
  set: Type.Optional(ValueSet),
  text: Type.Optional(ValueText),
})
export type Attribute = Static<typeof Attribute>

// --- Secrets and images, which volumes may name ---

export const Credential = Type.Object({
  principal: Type.String(),
  secret: Type.Optional(Type.String()),
})
export type Credential = Static<typeof Credential>

/** protobuf `bytes`: binary in msgpack, base64 text in JSON. */
const Bytes = Type.Union([Type.Unsafe<Uint8Array>(Type.Object({})), Type.String()])

export const Secret = Type.Object({
  type: Type.Optional(Type.Enum(['UNKNOWN', 'REFERENCE', 'VALUE'])),
  reference: Type.Optional(Type.Object({ name: Type.String(), key: Type.Optional(Type.String()) })),
  value: Type.Optional(Type.Object({ data: Bytes })),
})
export type Secret = Static<typeof Secret>

export const Image = Type.Object({
  type: Type.Enum(['APPC', 'DOCKER']),
  appc: Type.Optional(
    Type.Object({
      name: Type.String(),
      id: Type.Optional(Type.String()),
      labels: Type.Optional(Labels),
    }),
  ),
  docker: Type.Optional(
    Type.Object({
      name: Type.String(),
      credential: Type.Optional(Credential),
      config: Type.Optional(Secret),
    }),
  ),
  /** Absent means true. */
  cached: Type.Optional(Type.Boolean()),
})
export type Image = Static<typeof Image>

// --- Volumes ---

export const MountPropagation = Type.Object({
  mode: Type.Optional(Type.Enum(['UNKNOWN', 'HOST_TO_CONTAINER', 'BIDIRECTIONAL'])),
})
export type MountPropagation = Static<typeof MountPropagation>

export const CsiVolumeCapability = Type.Object({
  block: Type.Optional(Type.Object({})),
  mount: Type.Optional(
    Type.Object({
      fs_type: Type.Optional(Type.String()),
      mount_flags: Type.Optional(Type.Array(Type.String())),
    }),
  ),
  access_mode: Type.Object({
    mode: Type.Enum([
      'UNKNOWN',
      'SINGLE_NODE_WRITER',
      'SINGLE_NODE_READER_ONLY',
      'MULTI_NODE_READER_ONLY',
      'MULTI_NODE_SINGLE_WRITER',
      'MULTI_NODE_MULTI_WRITER',
    ]),
  }),
})
export type CsiVolumeCapability = Static<typeof CsiVolumeCapability>

export const CsiVolume = Type.Object({
  plugin_name: Type.String(),
  static_provisioning: Type.Optional(
    Type.Object({
      volume_id: Type.String(),
      volume_capability: CsiVolumeCapability,
      node_stage_secrets: Type.Optional(Type.Record(Type.String(), Secret)),
      node_publish_secrets: Type.Optional(Type.Record(Type.String(), Secret)),
      volume_context: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
  ),
})
export type CsiVolume = Static<typeof CsiVolume>

export const VolumeSource = Type.Object({
  type: Type.Optional(
    Type.Enum(['UNKNOWN', 'DOCKER_VOLUME', 'HOST_PATH', 'SANDBOX_PATH', 'SECRET', 'CSI_VOLUME']),
  ),
  docker_volume: Type.Optional(
    Type.Object({
      driver: Type.Optional(Type.String()),
      name: Type.String(),
      driver_options: Type.Optional(Parameters),
    }),
  ),
  host_path: Type.Optional(
    Type.Object({ path: Type.String(), mount_propagation: Type.Optional(MountPropagation) }),
  ),
  sandbox_path: Type.Optional(
    Type.Object({
      type: Type.Optional(Type.Enum(['UNKNOWN', 'SELF', 'PARENT'])),
      path: Type.String(),
    }),
  ),
  secret: Type.Optional(Secret),
  csi_volume: Type.Optional(CsiVolume),
})
export type VolumeSource = Static<typeof VolumeSource>

export const Volume = Type.Object({
  mode: Type.Enum(['RW', 'RO']),
  container_path: Type.String(),
  host_path: Type.Optional(Type.String()),
  image: Type.Optional(Image),
  source: Type.Optional(VolumeSource),
})
export type Volume = Static<typeof Volume>

// --- Resources ---

/** The role that an offered or used resource is allocated to; never on an agent's totals. */
export const AllocationInfo = Type.Object({ role: Type.Optional(Type.String()) })
export type AllocationInfo = Static<typeof AllocationInfo>

export const ReservationInfo = Type.Object({
  type: Type.Optional(Type.Enum(['UNKNOWN', 'STATIC', 'DYNAMIC'])),
  role: Type.Optional(Type.String()),
  principal: Type.Optional(Type.String()),
  labels: Type.Optional(Labels),
})
export type ReservationInfo = Static<typeof ReservationInfo>

export const DiskPersistence = Type.Object({
  id: Type.String(),
  principal: Type.Optional(Type.String()),
})
export type DiskPersistence = Static<typeof DiskPersistence>

export const DiskSourceType = Type.Enum(['UNKNOWN', 'PATH', 'MOUNT', 'BLOCK', 'RAW'])
export type DiskSourceType = Static<typeof DiskSourceType>

export const DiskSource = Type.Object({
  type: DiskSourceType,
  path: Type.Optional(Type.Object({ root: Type.Optional(Type.String()) })),
  mount: Type.Optional(Type.Object({ root: Type.Optional(Type.String()) })),
  vendor: Type.Optional(Type.String()),
  id: Type.Optional(Type.String()),
  metadata: Type.Optional(Labels),
  profile: Type.Optional(Type.String()),
})
export type DiskSource = Static<typeof DiskSource>

export const DiskInfo = Type.Object({
  persistence: Type.Optional(DiskPersistence),
  volume: Type.Optional(Volume),
  source: Type.Optional(DiskSource),
})
export type DiskInfo = Static<typeof DiskInfo>

/** A marker: its presence is all it says. */
export const RevocableInfo = Type.Object({})
export type RevocableInfo = Static<typeof RevocableInfo>

/** A marker: its presence is all it says. */
export const SharedInfo = Type.Object({})
export type SharedInfo = Static<typeof SharedInfo>

export const ResourceProviderId = Type.Object({ value: Type.String() })
export type ResourceProviderId = Static<typeof ResourceProviderId>

/** One resource: a value and the identity that says what it is a value of (resources.md §3). */
export const Resource = Type.Object({
  provider_id: Type.Optional(ResourceProviderId),
  name: Type.String(),
  type: ValueType,
  scalar: Type.Optional(ValueScalar),
  ranges: Type.Optional(ValueRanges),
  set: Type.Optional(ValueSet),
  /** Deprecated on input; on the wire only where the format asks for it (resources.md §4). */
  role: Type.Optional(Type.String()),
  allocation_info: Type.Optional(AllocationInfo),
  /** Deprecated, as `role`. */
  reservation: Type.Optional(ReservationInfo),
  /** The stack of reservations, bottom first. */
  reservations: Type.Optional(Type.Array(ReservationInfo)),
  disk: Type.Optional(DiskInfo),
  revocable: Type.Optional(RevocableInfo),
  shared: Type.Optional(SharedInfo),
})
export type Resource = Static<typeof Resource>
