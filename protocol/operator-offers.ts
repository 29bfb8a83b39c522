/** What operators ask about offers: calls of ours, part of the family of the master's in operator.ts. */
import Type, { type Static } from 'typebox'
import { OfferReason } from './allocator.ts'
import { member } from './family.ts'
import { list } from './paging.ts'
import { named } from './schema.ts'
import { AgentId, FrameworkId, OfferId, TimeInfo } from './v1/ids.ts'
import { Offer } from './v1/offer.ts'

/** Mesos shows offers only within frameworks. */
export const GetOffers = list('GET_OFFERS', 'The offers that are out.', {
  get_offers: Type.Object({ offers: Type.Array(Offer) }),
})

/** Ours: in Mesos offers end by time-out or with whatever stands in their way. */
export const RescindOffers = member(
  'RESCIND_OFFERS',
  'Withdraws offers: their frameworks are told, and what they held is free again.',
  {
    rescind_offers: Type.Object({
      /** These, all of them or none. */
      offer_ids: Type.Optional(Type.Array(OfferId)),
      /** Those of a framework, or of an agent; if both are named, those of the one on the other. */
      framework_id: Type.Optional(FrameworkId),
      agent_id: Type.Optional(AgentId),
      /** Every offer that is out. */
      all: Type.Optional(Type.Boolean()),
    }),
  },
  Type.Object({
    type: Type.Literal('RESCIND_OFFERS'),
    rescind_offers: Type.Object({
      /** How many offers were withdrawn. */
      count: Type.Integer(),
    }),
  }),
)

/** Ours. Nobody is told of offers that nobody asks about: they are most of what a master says. */
export const WatchOffers = member(
  'WATCH_OFFERS',
  'From now on the events OFFERS and RESCIND of all frameworks are told on another subject too.',
  {},
  Type.Object({
    type: Type.Literal('WATCH_OFFERS'),
    watch_offers: Type.Object({
      /** Listen here; its last token is the id of the framework. */
      subject: Type.String(),
      /** It ends after this time unless it is asked for again. */
      seconds: Type.Integer(),
    }),
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
export const ExplainOffers = list(
  'EXPLAIN_OFFERS',
  'Why is each agent offered to a framework, or not?',
  { explain_offers: Type.Object({ explanations: Type.Array(OfferExplanation) }) },
  {
    explain_offers: Type.Object({
      framework_id: FrameworkId,
      /** Only this agent. */
      agent_id: Type.Optional(AgentId),
    }),
  },
)

/** All of them; a master takes them. */
export const offerCalls = [GetOffers, RescindOffers, WatchOffers, ExplainOffers] as const
