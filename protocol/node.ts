/**
 * What a node tells of itself: it answers as one NATS micro service (ADR-32, so that `nats micro ls`
 * shows it), whose one endpoint lists its actors.
 */
import Type, { type Static } from 'typebox'
import { named } from './schema.ts'

/** Name of the micro service that every node answers as. */
export const nodeServiceName = 'meseta'
/** Version of this interface, not of the program. */
export const nodeServiceVersion = '1.0.0'

const actorInfo = Type.Object({
  /** Unique on the node among the living. */
  id: Type.String(),
  /** Exact address. */
  pid: Type.String(),
  /** What kind of actor it is: `master`, `supervisor`, ... */
  label: Type.String(),
  /** Id of its parent; absent for the root. */
  parent: Type.Optional(Type.String()),
  phase: Type.Enum(['active', 'stopping', 'dead']),
  /** State of its statechart, as a path such as `leading` or `a.b`; absent for a handler table. */
  state: Type.Optional(Type.String()),
  /** Messages that wait, and how many may. */
  mailbox: Type.Integer(),
  mailbox_max: Type.Integer(),
  /** Messages handled since it started. */
  handled: Type.Integer(),
  /** Messages handled a second, of late. */
  rate: Type.Number(),
  /** Share of the time spent in its turns, of late: 0 to 1. */
  busy: Type.Number(),
  /** How often its supervisor has restarted it. */
  restarts: Type.Integer(),
  timers: Type.Integer(),
  subscriptions: Type.Integer(),
  links: Type.Integer(),
  /** Seconds since it started. */
  age_seconds: Type.Number(),
})
/** One actor. */
export interface ActorInfo extends Static<typeof actorInfo> {}
export const ActorInfo = named<ActorInfo>('ActorInfo', actorInfo)

const nodeInfo = Type.Object({
  node: Type.String(),
  cluster: Type.String(),
  incarnation: Type.String(),
  age_seconds: Type.Number(),
  /** Messages waiting in all mailboxes. */
  backlog: Type.Integer(),
  dead_letters: Type.Object({
    count: Type.Integer(),
    last: Type.Array(
      Type.Object({
        type: Type.String(),
        from: Type.String(),
        to: Type.String(),
        why: Type.String(),
      }),
    ),
  }),
  /** Frames of other nodes that were lost, breaks between nodes, bytes that were no frames. */
  gaps: Type.Integer(),
  breaks: Type.Integer(),
  malformed: Type.Integer(),
  /** Parents before their children. */
  actors: Type.Array(ActorInfo),
  /** Actors that are not in the list, which is bounded. */
  truncated: Type.Integer(),
})
/** A node and its actors: the answer on `<c>.node.<node>.actors`. */
export interface NodeInfo extends Static<typeof nodeInfo> {}
export const NodeInfo = named<NodeInfo>('NodeInfo', nodeInfo)
