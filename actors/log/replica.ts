/**
 * A replica's decisions: acceptor and learner of Multi-Paxos (replicated-log.md §2, §4). No I/O: each
 * function changes the state in memory, notes in `changes` what must be durable before the answer leaves,
 * and returns the answer. Whoever calls them keeps that order (`journal.ts`).
 *
 * What is learned is final and lives on disk only; in memory are the ranges of it, and the records of
 * positions that are still open.
 */
import type {
  Body,
  Entry,
  Generations,
  PromiseReply,
  Status,
  Votes,
  WriteReply,
} from '../../protocol/log.ts'
import { Intervals, type Range } from './intervals.ts'
import { latestGenerations } from './quorum.ts'

/** A position about which something is known that is not (known to be) chosen. */
export interface OpenRecord {
  /** Nothing below it is taken here. Never less than `performed`. */
  readonly promised: number
  /** Proposal under which the body was written; absent for a mere promise. */
  readonly performed?: number
  readonly body?: Body
}

/** What must be durable before the answer to whatever caused it. */
export type Change =
  | { readonly type: 'METADATA' }
  /** `learned`: the body is chosen. */
  | { readonly type: 'RECORD'; readonly position: number; readonly record: OpenRecord }
  | { readonly type: 'LEARNED'; readonly entry: Entry }
  /** The log has a new beginning. */
  | { readonly type: 'PROGRESS' }

export interface Replica {
  readonly node: string
  status: Status
  /** Nothing below it is promised or taken beyond `end`; 0 = none. Never goes down. */
  promised: number
  /** See quorum.ts; this replica's own generation among them. */
  generations: Generations
  /** How far all have voted, as was heard of them. */
  votes: Votes
  /** First position that no learned truncation has taken away. */
  begin: number
  /** Highest position with a record of any kind; 0 in a new log, whose position 0 is a hole. */
  end: number
  /** Never holds a position before `begin`. */
  readonly learned: Intervals
  /** By position; none is learned. At most OPEN_BYTES_MAX of bodies. */
  readonly open: Map<number, OpenRecord>
  openBytes: number
  /** Highest position of which it was heard that it is chosen. */
  known: number
  /** For the caller to take away and make durable, in order. */
  changes: Change[]
  /**
   * Positions were found to be chosen and the disk does not say so yet. No answer depends on that, so
   * it may wait for the next commit; until then a restart forgets no more than what is asked for again.
   */
  unmarked: boolean
}

/** Bodies in open records, in bytes; what would go beyond is ignored until some are learned. */
export const OPEN_BYTES_MAX = 256 * 1024 * 1024

export function emptyReplica(node: string, status: Status = 'EMPTY'): Replica {
  return {
    node,
    status,
    promised: 0,
    generations: {},
    votes: {},
    begin: 0,
    end: 0,
    learned: new Intervals(),
    open: new Map(),
    openBytes: 0,
    known: -1,
    changes: [],
    unmarked: false,
  }
}

/** Highest position of the learned run at the beginning; `begin - 1` if there is none. */
export function learnedTo(replica: Replica): number {
  return replica.learned.runFrom(replica.begin)
}

/** The ranges up to `to` whose chosen bodies are not known here (§2, `missing`). */
export function missing(replica: Replica, to: number): Range[] {
  return replica.learned.gaps(replica.begin, to)
}

/** A promise: answered, or to be answered with the learned body that stands on disk. */
export type PromiseOutcome =
  | { readonly type: 'ANSWER'; readonly reply: PromiseReply }
  | { readonly type: 'LEARNED_BODY'; readonly position: number }

/**
 * A learned position needs no promise: whoever asks gets the chosen body and has nothing to propose.
 * A truncated one is answered with the beginning of the log.
 */
export function promise(
  replica: Replica,
  request: { readonly proposal: number; readonly position?: number },
): PromiseOutcome {
  const { proposal, position } = request
  const answer = (reply: PromiseReply): PromiseOutcome => ({ type: 'ANSWER', reply })
  if (replica.status !== 'VOTING') return answer({ type: 'IGNORED' })
  const { generations } = replica
  if (position === undefined) {
    if (proposal <= replica.promised) return answer({ type: 'REJECT', promised: replica.promised })
    replica.promised = proposal
    replica.changes.push({ type: 'METADATA' })
    return answer({ type: 'ACCEPT', generations, end: replica.end })
  }
  if (position < replica.begin) {
    return answer({ type: 'ACCEPT', generations, begin: replica.begin })
  }
  if (replica.learned.has(position)) return { type: 'LEARNED_BODY', position }
  const record = replica.open.get(position)
  // A record's own promise decides, not the one for all: §4.
  const promised = record?.promised ?? replica.promised
  if (proposal <= promised) return answer({ type: 'REJECT', promised })
  keep(replica, position, { ...record, promised: proposal })
  if (record?.performed === undefined || record.body === undefined) {
    return answer({ type: 'ACCEPT', generations })
  }
  const { performed, body } = record
  return answer({ type: 'ACCEPT', generations, performed, body })
}

/**
 * All entries are taken or none. An accept raises the position's promise to its own proposal: without
 * that a delayed write of a lower proposal would replace a chosen body (§4.1).
 */
export function write(
  replica: Replica,
  request: { readonly proposal: number; readonly entries: readonly Entry[] },
): WriteReply {
  const { proposal, entries } = request
  if (replica.status !== 'VOTING') return { type: 'IGNORED' }
  let bytes = 0
  for (const { position, body } of entries) {
    // Nothing may be accepted any more where something is learned. To who has been replaced that is said,
    // so that it does not try again and again.
    if (position < replica.begin || replica.learned.has(position)) {
      const { promised } = replica
      return proposal < promised ? { type: 'REJECT', promised } : { type: 'IGNORED' }
    }
    const promised = replica.open.get(position)?.promised ?? replica.promised
    if (proposal < promised) return { type: 'REJECT', promised }
    bytes += sizeOf(body)
  }
  if (replica.openBytes + bytes > OPEN_BYTES_MAX) return { type: 'IGNORED' }
  for (const { position, body } of entries) {
    const promised = Math.max(proposal, replica.promised, replica.open.get(position)?.promised ?? 0)
    keep(replica, position, { promised, performed: proposal, body })
  }
  return { type: 'ACCEPT', generations: replica.generations }
}

/**
 * A body is chosen, whatever stood there before (§4). A replica without votes that has not joined a quorum
 * yet does not begin to collect: it would be told again, and its disk is to be empty until then.
 */
export function learn(replica: Replica, { position, body }: Entry): void {
  if (!collects(replica)) return
  replica.known = Math.max(replica.known, position)
  if (position < replica.begin || replica.learned.has(position)) return
  replica.changes.push({ type: 'LEARNED', entry: { position, body } })
  replica.end = Math.max(replica.end, position)
  settle(replica, position, body)
}

/**
 * What this replica wrote under the proposal at positions up to `to` is chosen. Positions that it wrote
 * under another one stay open: it may hold another body there.
 */
export function chosen(
  replica: Replica,
  { proposal, from, to }: { readonly proposal: number; readonly from: number; readonly to: number },
): void {
  replica.known = Math.max(replica.known, to)
  for (const [position, record] of [...replica.open]) {
    if (position < from || position > to || position < replica.begin) continue
    if (record.performed === proposal && record.body !== undefined) {
      replica.unmarked = true
      settle(replica, position, record.body)
    }
  }
}

/** Somebody has learned that all before `begin` is truncated. */
export function truncated(replica: Replica, begin: number): void {
  if (begin <= replica.begin || !collects(replica)) return
  replica.begin = begin
  // Positions before `begin` count as used: a coordinator must not write there again.
  replica.end = Math.max(replica.end, begin - 1)
  replica.known = Math.max(replica.known, begin - 1)
  replica.learned.cutBefore(begin)
  for (const position of [...replica.open.keys()]) if (position < begin) close(replica, position)
  replica.changes.push({ type: 'PROGRESS' })
}

export function setStatus(replica: Replica, status: Status): void {
  replica.status = status
  replica.changes.push({ type: 'METADATA' })
}

/** Another replica has a new disk; its earlier answers do not count beside ours from now on. */
export function noteGeneration(replica: Replica, node: string, generation: number): void {
  if (generation <= (replica.generations[node] ?? 0)) return
  replica.generations = { ...replica.generations, [node]: generation }
  replica.changes.push({ type: 'METADATA' })
}

/**
 * It takes over what a quorum of voters has promised, and is RECOVERING (§8). What it has learned it may
 * keep; it never voted, or has lost what it voted.
 */
export function rejoin(
  replica: Replica,
  known: { readonly promised: number; readonly generations: Generations; readonly begin: number },
): void {
  replica.promised = Math.max(replica.promised, known.promised)
  replica.generations = latestGenerations([replica.generations, known.generations])
  setStatus(replica, 'RECOVERING')
  truncated(replica, known.begin)
}

/** Whether its disk may hold anything of the log. */
export function collects({ status }: Replica): boolean {
  return status === 'VOTING' || status === 'RECOVERING' || status === 'RETURNING'
}

function keep(replica: Replica, position: number, record: OpenRecord): void {
  close(replica, position)
  replica.open.set(position, record)
  replica.openBytes += record.body === undefined ? 0 : sizeOf(record.body)
  replica.end = Math.max(replica.end, position)
  replica.changes.push({ type: 'RECORD', position, record })
}

function close(replica: Replica, position: number): void {
  const record = replica.open.get(position)
  if (record === undefined) return
  replica.open.delete(position)
  replica.openBytes -= record.body === undefined ? 0 : sizeOf(record.body)
}

function settle(replica: Replica, position: number, body: Body): void {
  close(replica, position)
  replica.learned.add(position)
  if (body.type === 'TRUNCATE') truncated(replica, body.to)
}

function sizeOf(body: Body): number {
  return body.type === 'APPEND' ? body.data.length + 32 : 32
}
