/** What a framework says about itself. Spec: scheduler-api.md §2.1 and Appendix A. */
import Type, { type Static } from 'typebox'
import { Empty, mapOf, named } from '../schema.ts'
import { AgentId, FrameworkId } from './ids.ts'
import { Labels, Resource, ValueScalar } from './resources.ts'

export const FrameworkCapabilityType = Type.Enum([
  'UNKNOWN',
  'REVOCABLE_RESOURCES',
  'TASK_KILLING_STATE',
  'GPU_RESOURCES',
  'SHARED_RESOURCES',
  'PARTITION_AWARE',
  'MULTI_ROLE',
  'RESERVATION_REFINEMENT',
  'REGION_AWARE',
])
export type FrameworkCapabilityType = Static<typeof FrameworkCapabilityType>

/** An offer is worth making if it holds any one of the listed sets of quantities. */
const offerFilters = Type.Object({
  min_allocatable_resources: Type.Optional(
    Type.Object({
      quantities: Type.Optional(
        Type.Array(Type.Object({ quantities: Type.Optional(mapOf(ValueScalar)) })),
      ),
    }),
  ),
})
export interface OfferFilters extends Static<typeof offerFilters> {}
export const OfferFilters = named<OfferFilters>('OfferFilters', offerFilters)

const frameworkInfo = Type.Object({
  user: Type.String(),
  name: Type.String(),
  id: Type.Optional(FrameworkId),
  /** Seconds for which its tasks live on without it. */
  failover_timeout: Type.Optional(Type.Number({ default: 0 })),
  checkpoint: Type.Optional(Type.Boolean({ default: false })),
  /** Only without MULTI_ROLE; deprecated. */
  role: Type.Optional(Type.String({ default: '*' })),
  /** Only with MULTI_ROLE. */
  roles: Type.Optional(Type.Array(Type.String())),
  hostname: Type.Optional(Type.String()),
  principal: Type.Optional(Type.String()),
  webui_url: Type.Optional(Type.String()),
  capabilities: Type.Optional(
    Type.Array(Type.Object({ type: Type.Optional(FrameworkCapabilityType) })),
  ),
  labels: Type.Optional(Labels),
  offer_filters: Type.Optional(mapOf(OfferFilters)),
})
export interface FrameworkInfo extends Static<typeof frameworkInfo> {}
export const FrameworkInfo = named<FrameworkInfo>('FrameworkInfo', frameworkInfo)

const text = Type.Object({ value: Type.String() })
const regex = Type.Object({ regex: Type.String() })

const attributeConstraint = Type.Object({
  selector: Type.Object({
    pseudoattribute_type: Type.Optional(Type.Enum(['UNKNOWN', 'HOSTNAME', 'REGION', 'ZONE'])),
    attribute_name: Type.Optional(Type.String()),
  }),
  predicate: Type.Object({
    exists: Type.Optional(Empty),
    not_exists: Type.Optional(Empty),
    text_equals: Type.Optional(text),
    text_not_equals: Type.Optional(text),
    text_matches: Type.Optional(regex),
    text_not_matches: Type.Optional(regex),
  }),
})
export interface AttributeConstraint extends Static<typeof attributeConstraint> {}
export const AttributeConstraint = named<AttributeConstraint>(
  'AttributeConstraint',
  attributeConstraint,
)

/** Groups of a role are OR-ed, constraints of a group are AND-ed. */
const offerConstraints = Type.Object({
  role_constraints: Type.Optional(
    mapOf(
      Type.Object({
        groups: Type.Optional(
          Type.Array(
            Type.Object({ attribute_constraints: Type.Optional(Type.Array(AttributeConstraint)) }),
          ),
        ),
      }),
    ),
  ),
})
export interface OfferConstraints extends Static<typeof offerConstraints> {}
export const OfferConstraints = named<OfferConstraints>('OfferConstraints', offerConstraints)

/** How long declined resources are not offered again, in seconds. */
const filters = Type.Object({ refuse_seconds: Type.Optional(Type.Number({ default: 5 })) })
export interface Filters extends Static<typeof filters> {}
export const Filters = named<Filters>('Filters', filters)

/** A wish for resources, which the allocator is free to ignore. */
const request = Type.Object({
  agent_id: Type.Optional(AgentId),
  resources: Type.Optional(Type.Array(Resource)),
})
export interface Request extends Static<typeof request> {}
export const Request = named<Request>('Request', request)
