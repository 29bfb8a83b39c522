/**
 * What operators ask about reservations and volumes: Mesos v1's calls, part of the families in
 * operator.ts. A change is answered when the master has reckoned with it; the agent carries it out after
 * that. Spec: operator-api.md §B, §F.1; resources.md §6.
 */
import Type, { type Static } from 'typebox'
import { member } from './family.ts'
import { list } from './paging.ts'
import { Empty, named } from './schema.ts'
import { AgentId } from './v1/ids.ts'
import { Operation } from './v1/offer.ts'
import { Resource, ValueScalar } from './v1/resources.ts'

const accepted = named<Static<typeof Empty>>('Accepted', Empty)
const resources = Type.Array(Resource)

export const ReserveResources = member(
  'RESERVE_RESOURCES',
  'Reserves resources of an agent; offers that are in the way are withdrawn.',
  {
    reserve_resources: Type.Object({
      agent_id: AgentId,
      /** What they are now, if they are reserved already: moves them from one role to another. */
      source: Type.Optional(resources),
      /** With the reservation to make on top. */
      resources,
    }),
  },
  accepted,
)

export const UnreserveResources = member(
  'UNRESERVE_RESOURCES',
  'Takes the top reservation away from resources that no task uses.',
  { unreserve_resources: Type.Object({ agent_id: AgentId, resources }) },
  accepted,
)

export const CreateVolumes = member(
  'CREATE_VOLUMES',
  'Makes persistent volumes of reserved disk.',
  { create_volumes: Type.Object({ agent_id: AgentId, volumes: resources }) },
  accepted,
)

export const DestroyVolumes = member(
  'DESTROY_VOLUMES',
  'Makes reserved disk of persistent volumes that no task uses; their data is gone.',
  { destroy_volumes: Type.Object({ agent_id: AgentId, volumes: resources }) },
  accepted,
)

export const GrowVolume = member(
  'GROW_VOLUME',
  'Adds reserved disk to a volume that no task uses.',
  {
    grow_volume: Type.Object({
      /** Required, although Mesos' document says otherwise. */
      agent_id: AgentId,
      volume: Resource,
      addition: Resource,
    }),
  },
  accepted,
)

export const ShrinkVolume = member(
  'SHRINK_VOLUME',
  'Takes disk away from a volume that no task uses.',
  {
    shrink_volume: Type.Object({
      agent_id: AgentId,
      volume: Resource,
      /** MB. */
      subtract: ValueScalar,
    }),
  },
  accepted,
)

/** Of masters and of agents. */
export const GetOperations = list(
  'GET_OPERATIONS',
  'Operations that are under way, or whose end is not acknowledged.',
  { get_operations: Type.Object({ operations: Type.Array(Operation) }) },
)

/** The changes; a master takes them. */
export const resourceCalls = [
  ReserveResources,
  UnreserveResources,
  CreateVolumes,
  DestroyVolumes,
  GrowVolume,
  ShrinkVolume,
] as const
