/**
 * Mesos v1's resource documents, field for field: values, attributes, resources, and what a disk
 * resource needs to describe a volume. Spec: scheduler-api.md, Appendix A.2; resources.md §3.
 *
 * Presence matters everywhere: "has X" means that the property is there, which is different from
 * "X equals its default". Repeated fields may be absent, which means empty.
 */
import Type, { type Static } from 'typebox'
import { Bytes, Empty, mapOf, named, Uint64 } from '../schema.ts'

const label = Type.Object({ key: Type.String(), value: Type.Optional(Type.String()) })
/** A label; its value may be absent, which differs from the empty string. */
export interface Label extends Static<typeof label> {}
export const Label = named<Label>('Label', label)

const labels = Type.Object({ labels: Type.Optional(Type.Array(Label)) })
export interface Labels extends Static<typeof labels> {}
export const Labels = named<Labels>('Labels', labels)

const parameter = Type.Object({ key: Type.String(), value: Type.String() })
export interface Parameter extends Static<typeof parameter> {}
export const Parameter = named<Parameter>('Parameter', parameter)

const parameters = Type.Object({ parameter: Type.Optional(Type.Array(Parameter)) })
export interface Parameters extends Static<typeof parameters> {}
export const Parameters = named<Parameters>('Parameters', parameters)

// --- Values ---

export const ValueType = Type.Enum(['SCALAR', 'RANGES', 'SET', 'TEXT'])
export type ValueType = Static<typeof ValueType>

const valueScalar = Type.Object({ value: Type.Number() })
/** A double on the wire; compared and added as whole thousandths. */
export interface ValueScalar extends Static<typeof valueScalar> {}
export const ValueScalar = named<ValueScalar>('Value.Scalar', valueScalar)

const valueRange = Type.Object({ begin: Uint64, end: Uint64 })
/** Both ends are inclusive. */
export interface ValueRange extends Static<typeof valueRange> {}
export const ValueRange = named<ValueRange>('Value.Range', valueRange)

const valueRanges = Type.Object({ range: Type.Optional(Type.Array(ValueRange)) })
export interface ValueRanges extends Static<typeof valueRanges> {}
export const ValueRanges = named<ValueRanges>('Value.Ranges', valueRanges)

const valueSet = Type.Object({ item: Type.Optional(Type.Array(Type.String())) })
export interface ValueSet extends Static<typeof valueSet> {}
export const ValueSet = named<ValueSet>('Value.Set', valueSet)

const valueText = Type.Object({ value: Type.String() })
export interface ValueText extends Static<typeof valueText> {}
export const ValueText = named<ValueText>('Value.Text', valueText)

const value = Type.Object({
  type: ValueType,
  scalar: Type.Optional(ValueScalar),
  ranges: Type.Optional(ValueRanges),
  set: Type.Optional(ValueSet),
  text: Type.Optional(ValueText),
})
export interface Value extends Static<typeof value> {}
export const Value = named<Value>('Value', value)

const attribute = Type.Object({
  name: Type.String(),
  type: ValueType,
  scalar: Type.Optional(ValueScalar),
  ranges: Type.Optional(ValueRanges),
  set: Type.Optional(ValueSet),
  text: Type.Optional(ValueText),
})
/** What an agent tells about itself beyond its resources; duplicates of a name are allowed. */
export interface Attribute extends Static<typeof attribute> {}
export const Attribute = named<Attribute>('Attribute', attribute)

// --- Secrets and images, which volumes may name ---

const credential = Type.Object({
  principal: Type.String(),
  secret: Type.Optional(Type.String()),
})
export interface Credential extends Static<typeof credential> {}
export const Credential = named<Credential>('Credential', credential)

const secret = Type.Object({
  type: Type.Optional(Type.Enum(['UNKNOWN', 'REFERENCE', 'VALUE'])),
  reference: Type.Optional(Type.Object({ name: Type.String(), key: Type.Optional(Type.String()) })),
  value: Type.Optional(Type.Object({ data: Bytes })),
})
export interface Secret extends Static<typeof secret> {}
export const Secret = named<Secret>('Secret', secret)

const image = Type.Object({
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
export interface Image extends Static<typeof image> {}
export const Image = named<Image>('Image', image)

// --- Volumes ---

const mountPropagation = Type.Object({
  mode: Type.Optional(Type.Enum(['UNKNOWN', 'HOST_TO_CONTAINER', 'BIDIRECTIONAL'])),
})
export interface MountPropagation extends Static<typeof mountPropagation> {}
export const MountPropagation = named<MountPropagation>('MountPropagation', mountPropagation)

const csiVolumeCapability = Type.Object({
  block: Type.Optional(Empty),
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
export interface CsiVolumeCapability extends Static<typeof csiVolumeCapability> {}
export const CsiVolumeCapability = named<CsiVolumeCapability>(
  'Volume.Source.CSIVolume.VolumeCapability',
  csiVolumeCapability,
)

const csiVolume = Type.Object({
  plugin_name: Type.String(),
  static_provisioning: Type.Optional(
    Type.Object({
      volume_id: Type.String(),
      volume_capability: CsiVolumeCapability,
      node_stage_secrets: Type.Optional(mapOf(Secret)),
      node_publish_secrets: Type.Optional(mapOf(Secret)),
      volume_context: Type.Optional(mapOf(Type.String())),
    }),
  ),
})
export interface CsiVolume extends Static<typeof csiVolume> {}
export const CsiVolume = named<CsiVolume>('Volume.Source.CSIVolume', csiVolume)

const volumeSource = Type.Object({
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
export interface VolumeSource extends Static<typeof volumeSource> {}
export const VolumeSource = named<VolumeSource>('Volume.Source', volumeSource)

const volume = Type.Object({
  mode: Type.Enum(['RW', 'RO']),
  container_path: Type.String(),
  host_path: Type.Optional(Type.String()),
  image: Type.Optional(Image),
  source: Type.Optional(VolumeSource),
})
export interface Volume extends Static<typeof volume> {}
export const Volume = named<Volume>('Volume', volume)

// --- Resources ---

const allocationInfo = Type.Object({ role: Type.Optional(Type.String()) })
/** The role that an offered or used resource is allocated to; never on an agent's totals. */
export interface AllocationInfo extends Static<typeof allocationInfo> {}
export const AllocationInfo = named<AllocationInfo>('Resource.AllocationInfo', allocationInfo)

const reservationInfo = Type.Object({
  type: Type.Optional(Type.Enum(['UNKNOWN', 'STATIC', 'DYNAMIC'])),
  role: Type.Optional(Type.String()),
  principal: Type.Optional(Type.String()),
  labels: Type.Optional(Labels),
})
export interface ReservationInfo extends Static<typeof reservationInfo> {}
export const ReservationInfo = named<ReservationInfo>('Resource.ReservationInfo', reservationInfo)

const diskPersistence = Type.Object({
  id: Type.String(),
  principal: Type.Optional(Type.String()),
})
export interface DiskPersistence extends Static<typeof diskPersistence> {}
export const DiskPersistence = named<DiskPersistence>(
  'Resource.DiskInfo.Persistence',
  diskPersistence,
)

export const DiskSourceType = Type.Enum(['UNKNOWN', 'PATH', 'MOUNT', 'BLOCK', 'RAW'])
export type DiskSourceType = Static<typeof DiskSourceType>

const diskSource = Type.Object({
  type: DiskSourceType,
  path: Type.Optional(Type.Object({ root: Type.Optional(Type.String()) })),
  mount: Type.Optional(Type.Object({ root: Type.Optional(Type.String()) })),
  vendor: Type.Optional(Type.String()),
  id: Type.Optional(Type.String()),
  metadata: Type.Optional(Labels),
  profile: Type.Optional(Type.String()),
})
export interface DiskSource extends Static<typeof diskSource> {}
export const DiskSource = named<DiskSource>('Resource.DiskInfo.Source', diskSource)

const diskInfo = Type.Object({
  persistence: Type.Optional(DiskPersistence),
  volume: Type.Optional(Volume),
  source: Type.Optional(DiskSource),
})
export interface DiskInfo extends Static<typeof diskInfo> {}
export const DiskInfo = named<DiskInfo>('Resource.DiskInfo', diskInfo)

const revocableInfo = Type.Object({})
/** A marker: its presence is all it says. */
export interface RevocableInfo extends Static<typeof revocableInfo> {}
export const RevocableInfo = named<RevocableInfo>('Resource.RevocableInfo', revocableInfo)

const sharedInfo = Type.Object({})
/** A marker: its presence is all it says. */
export interface SharedInfo extends Static<typeof sharedInfo> {}
export const SharedInfo = named<SharedInfo>('Resource.SharedInfo', sharedInfo)

const resourceProviderId = Type.Object({ value: Type.String() })
export interface ResourceProviderId extends Static<typeof resourceProviderId> {}
export const ResourceProviderId = named<ResourceProviderId>(
  'ResourceProviderID',
  resourceProviderId,
)

const resource = Type.Object({
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
/** One resource: a value and the identity that says what it is a value of (resources.md §3). */
export interface Resource extends Static<typeof resource> {}
export const Resource = named<Resource>('Resource', resource)
