/**
 * What is said around a replicated log: between its replicas and those who propose to them, and between a
 * writer and its client. A log is an endless row of positions from 0; each holds at most one body, chosen
 * by a quorum of replicas (Multi-Paxos). Spec: replicated-log.md.
 *
 * Numbers: a *proposal* orders those who want to write (the ballot); a *position* orders what is written.
 */
import Type, { type Static } from 'typebox'
import { message } from './message.ts'
import { Bytes, mapOf, Uint64 } from './schema.ts'

/** What a position holds. NOP: nothing, to fill a hole. TRUNCATE: all positions before `to` are gone. */
export const Body = Type.Union([
  Type.Object({ type: Type.Literal('NOP') }),
  Type.Object({ type: Type.Literal('APPEND'), data: Bytes }),
  Type.Object({ type: Type.Literal('TRUNCATE'), to: Uint64 }),
])
export type Body = Static<typeof Body>

/** A body at its position. */
export const Entry = Type.Object({ position: Uint64, body: Body })
export type Entry = Static<typeof Entry>

/**
 * The life of a replica (§2). Only VOTING ones take part in decisions. EMPTY: nothing is known.
 * STARTING: first phase of the initialization of a new log. RECOVERING: it has lost its state and catches
 * up. RETURNING: it was VOTING when it ended, and asks the others whether it knows its last votes. CORRUPT: what
 * is on its disk cannot be trusted; like EMPTY, but never part of an initialization.
 */
export const Status = Type.Union([
  Type.Literal('EMPTY'),
  Type.Literal('STARTING'),
  Type.Literal('RECOVERING'),
  Type.Literal('RETURNING'),
  Type.Literal('VOTING'),
  Type.Literal('CORRUPT'),
])
export type Status = Static<typeof Status>

/**
 * How often each node came back with a new disk, as the sender knows it; absent = 0. An answer from
 * before a loss does not count beside one that knows of the loss (actors/log/quorum.ts).
 */
export const Generations = mapOf(Uint64)
export type Generations = Static<typeof Generations>

/**
 * How far a replica has voted since it got its disk, as others have heard: its highest promise for all
 * positions, and the highest position that it took. One that knows less of itself stands on an older copy of
 * its disk (actors/log/voted.ts).
 */
export const Voted = Type.Object({ generation: Uint64, promised: Uint64, end: Uint64 })
export type Voted = Static<typeof Voted>

/** By node. */
export const Votes = mapOf(Voted)
export type Votes = Static<typeof Votes>

const Reject = Type.Object({ type: Type.Literal('REJECT'), promised: Uint64 })
const Ignored = Type.Object({ type: Type.Literal('IGNORED') })

const Promised = Type.Object({
  type: Type.Literal('ACCEPT'),
  generations: Generations,
  /** To a promise for all positions: the highest position that this replica has anything for. */
  end: Type.Optional(Uint64),
  /** To a promise for one position: all positions before this one are truncated, the asked one too. */
  begin: Type.Optional(Uint64),
  /** To a promise for one position: what it holds, and the proposal under which that was written. */
  performed: Type.Optional(Uint64),
  body: Type.Optional(Body),
  /** The body has been chosen; nothing is left to propose. */
  learned: Type.Optional(Type.Boolean()),
})

/** Another holds this replica's lease, or may hold one that it has forgotten (§15). */
const Leased = Type.Object({
  type: Type.Literal('LEASED'),
  holder: Type.Optional(Type.String()),
  /** Until it ends by the replica's clock, ms. */
  remaining_ms: Type.Number({ minimum: 0 }),
})

/**
 * A time for which a replica promises to nobody but `holder` (§15). Counted by the replica from the
 * arrival of the request, by the holder from before its sending.
 */
export const Lease = Type.Object({
  /** A node. It may be granted a new lease while it holds one: there is one of a name. */
  holder: Type.String(),
  ms: Type.Number({ minimum: 1 }),
})
export type Lease = Static<typeof Lease>

/**
 * How far two monotonic clocks may run apart, as a part of the time that they measure. A holder counts its
 * lease shorter by this, a replica that has forgotten one waits longer by this.
 */
export const CLOCK_DRIFT = 0.05

export const PromiseReply = Type.Union([Promised, Reject, Ignored, Leased])
export type PromiseReply = Static<typeof PromiseReply>

/** Proposer -> replica (§4). LEASED only to a promise for all positions. */
export const PromiseRequest = message(
  'PROMISE',
  'Promise to take nothing below this proposal: at one position, or everywhere beyond the end.',
  Type.Object({
    proposal: Uint64,
    position: Type.Optional(Uint64),
    lease: Type.Optional(Lease),
  }),
  PromiseReply,
)

export const GrantReply = Type.Union([
  Type.Object({ type: Type.Literal('ACCEPT'), generations: Generations }),
  Reject,
  Ignored,
  Leased,
])
export type GrantReply = Static<typeof GrantReply>

/** The writer's owner -> replica, again and again. */
export const Grant = message(
  'GRANT',
  'Lease yourself to the holder, who was elected with this proposal.',
  Type.Object({
    proposal: Uint64,
    lease: Lease,
    /** All positions up to it are chosen: who missed the last CHOSEN needs not wait for the next write. */
    chosen: Uint64,
  }),
  GrantReply,
)

/** Whoever was promised a lease -> replica; not answered. */
export const Release = message(
  'RELEASE',
  'The lease that came with this proposal is not needed any more.',
  Type.Object({ proposal: Uint64 }),
)

/** A candidate -> replica. Changes nothing: it keeps one that cannot win from disturbing who leads. */
export const Canvass = message(
  'CANVASS',
  'Would you promise all positions to this holder?',
  Type.Object({ holder: Type.String() }),
  Type.Object({
    status: Status,
    /** Whose lease it is, where there is one and it is known. */
    holder: Type.Optional(Type.String()),
    /** 0 = it would; otherwise until the other's lease ends, ms. */
    remaining_ms: Type.Number({ minimum: 0 }),
  }),
)

export const WriteReply = Type.Union([
  Type.Object({ type: Type.Literal('ACCEPT'), generations: Generations }),
  Reject,
  Ignored,
])
export type WriteReply = Static<typeof WriteReply>

/** Proposer -> replica. Taken as a whole or not at all. */
export const WriteRequest = message(
  'WRITE',
  'Keep these bodies under this proposal.',
  Type.Object({ proposal: Uint64, entries: Type.Array(Entry, { minItems: 1 }) }),
  WriteReply,
)

/** Proposer -> replica; not answered. */
export const Chosen = message(
  'CHOSEN',
  'What was written under this proposal at these positions (`to` included) is chosen.',
  Type.Object({ proposal: Uint64, from: Uint64, to: Uint64 }),
)

const Known = Type.Object({ entries: Type.Array(Entry), begin: Type.Optional(Uint64) })

/** Anyone who knows -> replica; not answered. */
export const Learned = message(
  'LEARNED',
  'These bodies are chosen, and all before `begin` are truncated.',
  Known,
)

/** The catch-up of a replica -> that replica. */
export const Learn = message(
  'LEARN',
  'LEARNED, answered when it is durable: no more is to be fetched than the disk takes.',
  Known,
  Type.Object({}),
)

export const RecoverReply = Type.Object({
  status: Status,
  /** How far all have voted, the asker among them, as was heard of them. */
  votes: Type.Optional(Votes),
  /** Only from a VOTING replica: first position not truncated, highest in use, promise for all. */
  begin: Type.Optional(Uint64),
  end: Type.Optional(Uint64),
  promised: Type.Optional(Uint64),
  generations: Type.Optional(Generations),
})
export type RecoverReply = Static<typeof RecoverReply>

/** Replica -> replica (§8). Refused if the two disagree about the ensemble. */
export const Recover = message(
  'RECOVER',
  'Tell how you are; a generation other than 0 says that the asker has a new disk.',
  Type.Object({
    node: Type.String(),
    generation: Uint64,
    replicas: Type.Integer({ minimum: 1 }),
    quorum: Type.Integer({ minimum: 1 }),
  }),
  RecoverReply,
)

/** Writer -> replica, at times; not answered. */
export const Heard = message(
  'HEARD',
  'This far have these replicas voted.',
  Type.Object({ votes: Votes }),
)

/** Replica -> replica: a part of the log that the other has learned. */
export const Fetch = message(
  'FETCH',
  'Send what you have learned of these positions (`to` included), as much as fits.',
  Type.Object({ from: Uint64, to: Uint64 }),
  Type.Object({ begin: Uint64, entries: Type.Array(Entry) }),
)

/** Writer or reader -> its own replica. Answered when every position up to `to` is learned. */
export const CatchUp = message(
  'CATCH_UP',
  'Learn all up to this position; without one, all that any replica within reach has learned.',
  Type.Object({ to: Type.Optional(Uint64), proposal: Type.Optional(Uint64) }),
  /** -1: nothing is in the log. */
  Type.Object({ to: Type.Integer({ minimum: -1 }) }),
)

/** Operator -> an EMPTY replica, where the log does not initialize itself. */
export const Initialize = message(
  'INITIALIZE',
  'Vote with an empty log: for all replicas of a new log, never for a lost disk.',
  Type.Object({}),
  Type.Object({ status: Status }),
)

/** The catch-up of a replica -> that replica. */
export const CaughtUp = message(
  'CAUGHT_UP',
  'All that was asked for has been sent as LEARN.',
  Type.Object({}),
)

/** Reader -> replica. Local: it tells what this replica has learned, which may be behind the log. */
export const Positions = message(
  'POSITIONS',
  'Which positions can be read here.',
  Type.Object({}),
  Type.Object({
    status: Status,
    /** First position not truncated. */
    begin: Uint64,
    /** Last of the positions that are learned without a gap; `begin - 1` if there is none. */
    learned: Type.Integer({ minimum: -1 }),
    /** Highest position that this replica has anything for. */
    end: Uint64,
    promised: Uint64,
  }),
)

/** Reader -> replica. LOG_POSITION if a part of the range is truncated or not learned. */
export const Read = message(
  'READ',
  'The appended entries of a range (`to` included); as many as fit, at least one position is looked at.',
  Type.Object({ from: Uint64, to: Uint64 }),
  Type.Object({
    entries: Type.Array(Type.Object({ position: Uint64, data: Bytes })),
    /** Where to go on reading; `to + 1` at the end. */
    next: Uint64,
  }),
)

/** What a replica takes. */
export const replicaMessages = [
  PromiseRequest,
  WriteRequest,
  Chosen,
  Learned,
  Learn,
  Grant,
  Release,
  Canvass,
  Recover,
  Heard,
  Fetch,
  CatchUp,
  CaughtUp,
  Initialize,
  Positions,
  Read,
] as const

/** Client -> writer of its node. Whoever asks last owns the writer; the former owner is DEMOTED. */
export const Elect = message(
  'ELECT',
  'Make me the only one who can append. LOG_NOT_ELECTED if another is before me or no quorum answers, LOG_LEASED if another holds the lease.',
  Type.Object({
    /** Asked from the replicas with their promises, and extended by the writer until it ends. */
    lease: Type.Optional(Lease),
  }),
  Type.Object({
    /** Grows with each election; stands on every append. */
    epoch: Uint64,
    /** Last position of the log; all up to it is learned by the local replica. */
    position: Uint64,
    /** End of the lease by the monotonic clock of this node. */
    leased_until_ms: Type.Optional(Type.Number()),
  }),
)

/** Owner -> writer. Answered when chosen. LOG_NOT_WRITER: it may or may not be in the log. */
export const Append = message(
  'APPEND',
  'Append an entry.',
  Type.Object({ epoch: Uint64, data: Bytes }),
  Type.Object({ position: Uint64 }),
)

/** Owner -> writer. */
export const Truncate = message(
  'TRUNCATE',
  'Forget all positions before `to`.',
  Type.Object({ epoch: Uint64, to: Uint64 }),
  Type.Object({ position: Uint64 }),
)

/** Owner -> writer. Answered if nobody else was elected before it was asked; LOG_NOT_WRITER otherwise. */
export const Confirm = message(
  'CONFIRM',
  'Ask a quorum whether this epoch is still the highest: what was read under it is then up to date.',
  Type.Object({ epoch: Uint64 }),
  Type.Object({}),
)

/** Owner -> writer: hand over. The lease ends at once. */
export const Resign = message(
  'RESIGN',
  'Stop being the writer of this epoch.',
  Type.Object({ epoch: Uint64 }),
  Type.Object({}),
)

/** What a writer takes. */
export const writerMessages = [Elect, Append, Truncate, Confirm, Resign] as const

/** Writer -> its owner: nobody else is elected before this time of this node's monotonic clock. */
export const LeaseExtended = message(
  'LEASE_EXTENDED',
  'The lease that came with this epoch lasts longer.',
  Type.Object({ epoch: Uint64, until_ms: Type.Number() }),
)

/** Writer -> its owner, once: from now on nothing is appended under this epoch. */
export const Demoted = message(
  'DEMOTED',
  'You are not the writer any more; appends without an answer may or may not be in the log.',
  Type.Object({ epoch: Uint64, reason: Type.String() }),
)
