/** Offers, inverse offers and the operations on them. Spec: scheduler-api.md §5, §6, Appendix A.2. */
import Type, { type Static } from 'typebox'
import { named } from '../schema.ts'
import { DomainInfo } from './agent.ts'
import { ExecutorInfo } from './command.ts'
import {
  AgentId,
  ExecutorId,
  FrameworkId,
  OfferId,
  OperationId,
  Unavailability,
  Url,
  Uuid,
} from './ids.ts'
import { AllocationInfo, Attribute, DiskSourceType, Resource, ValueScalar } from './resources.ts'
import { OperationStatus } from './status.ts'
import { TaskGroupInfo, TaskInfo } from './task.ts'

export const OperationType = Type.Enum([
  'UNKNOWN',
  'LAUNCH',
  'LAUNCH_GROUP',
  'RESERVE',
  'UNRESERVE',
  'CREATE',
  'DESTROY',
  'GROW_VOLUME',
  'SHRINK_VOLUME',
  'CREATE_DISK',
  'DESTROY_DISK',
])
export type OperationType = Static<typeof OperationType>

const resources = Type.Object({ resources: Type.Optional(Type.Array(Resource)) })
const volumes = Type.Object({ volumes: Type.Optional(Type.Array(Resource)) })

/** One thing to do with accepted offers; the payload named like `type` goes with it. */
const offerOperation = Type.Object({
  type: Type.Optional(OperationType),
  /** Set if the framework wants feedback; not for launches. */
  id: Type.Optional(OperationId),
  launch: Type.Optional(Type.Object({ task_infos: Type.Optional(Type.Array(TaskInfo)) })),
  launch_group: Type.Optional(Type.Object({ executor: ExecutorInfo, task_group: TaskGroupInfo })),
  reserve: Type.Optional(
    Type.Object({
      source: Type.Optional(Type.Array(Resource)),
      resources: Type.Optional(Type.Array(Resource)),
    }),
  ),
  unreserve: Type.Optional(resources),
  create: Type.Optional(volumes),
  destroy: Type.Optional(volumes),
  grow_volume: Type.Optional(Type.Object({ volume: Resource, addition: Resource })),
  shrink_volume: Type.Optional(Type.Object({ volume: Resource, subtract: ValueScalar })),
  create_disk: Type.Optional(
    Type.Object({
      source: Resource,
      target_type: DiskSourceType,
      target_profile: Type.Optional(Type.String()),
    }),
  ),
  destroy_disk: Type.Optional(Type.Object({ source: Resource })),
})
export interface OfferOperation extends Static<typeof offerOperation> {}
export const OfferOperation = named<OfferOperation>('Offer.Operation', offerOperation)

/** Resources of one agent, offered to one role of one framework. */
const offer = Type.Object({
  id: OfferId,
  framework_id: FrameworkId,
  agent_id: AgentId,
  hostname: Type.String(),
  url: Type.Optional(Url),
  domain: Type.Optional(DomainInfo),
  resources: Type.Optional(Type.Array(Resource)),
  attributes: Type.Optional(Type.Array(Attribute)),
  /** This framework's executors on the agent. */
  executor_ids: Type.Optional(Type.Array(ExecutorId)),
  unavailability: Type.Optional(Unavailability),
  allocation_info: Type.Optional(AllocationInfo),
})
export interface Offer extends Static<typeof offer> {}
export const Offer = named<Offer>('Offer', offer)

/** A request to give an agent back before its maintenance. */
const inverseOffer = Type.Object({
  id: OfferId,
  url: Type.Optional(Url),
  framework_id: FrameworkId,
  agent_id: Type.Optional(AgentId),
  unavailability: Unavailability,
  resources: Type.Optional(Type.Array(Resource)),
})
export interface InverseOffer extends Static<typeof inverseOffer> {}
export const InverseOffer = named<InverseOffer>('InverseOffer', inverseOffer)

/** An operation as the master and the agents keep it. */
const operation = Type.Object({
  framework_id: Type.Optional(FrameworkId),
  agent_id: Type.Optional(AgentId),
  info: OfferOperation,
  latest_status: OperationStatus,
  statuses: Type.Optional(Type.Array(OperationStatus)),
  uuid: Uuid,
})
export interface Operation extends Static<typeof operation> {}
export const Operation = named<Operation>('Operation', operation)
