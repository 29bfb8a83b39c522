/** What operators ask about offers: calls of ours, part of the family of the master's in operator.ts. */
import Type, { type Static } from 'typebox'
import { OfferReason } from './allocator.ts'
import { member } from './family.ts'
import { named, Uint64 } from './schema.ts'
import { AgentId, FrameworkId, OfferId, TimeInfo } from './v1/ids.ts'
import { Offer } from './v1/offer.ts'

/** Mesos shows offers only within frameworks. */
export const GetOffers = member(
  'GET_OFFERS',
  'The offers that are out.',
  {},
  Type.Object({
    type: Type.Literal('GET_OFFERS'),
    get_offers: Type.Object({ offers: Type.Array(Offer) }),
  }),
)

const offerExplanation = Type.Object({
  agent_id: AgentId,
  hostname: Type.String(),
  role: Type.String(),
  reason: OfferReason,
  /** The reason as a sentence, with what it is about. */
  message: Type.String(),
  /** When what stands against it ends by itself: a filter, or the pause after a failover. */
  until: Type.Optional(TimeInfo),
  /** The offers of the agent that the framework has in this role. */
  offer_ids: Type.Optional(Type.Array(OfferId)),
})
/** Why one agent is or is not offered to a framework in one of its roles, as things stand. */
export interface OfferExplanation extends Static<typeof offerExplanation> {}
export const OfferExplanation = named<OfferExplanation>('OfferExplanation', offerExplanation)

/** In Mesos this takes the log of the master. */
export const ExplainOffers = member(
  'EXPLAIN_OFFERS',
  'Why is each agent offered to a framework, or not?',
  {
    explain_offers: Type.Object({
      framework_id: FrameworkId,
      /** Only this agent. */
      agent_id: Type.Optional(AgentId),
      /** Agents to leave out at the beginning, in the order in which they registered; default none. */
      offset: Type.Optional(Uint64),
    }),
  },
  Type.Object({
    type: Type.Literal('EXPLAIN_OFFERS'),
    explain_offers: Type.Object({
      explanations: Type.Array(OfferExplanation),
      /** The offset to go on from; absent if all agents are told of. */
      next: Type.Optional(Uint64),
    }),
  }),
)
