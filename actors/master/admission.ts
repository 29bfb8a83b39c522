/**
 * Admissions: new agents on their way into the registry. Those that come while others are written share the
 * next write: a cluster that starts at once costs some hundred writes and not one an agent, and only a few
 * hundred agents are under way at a time. Spec: master.md §4, replicated-log.md §11.
 */
import type { AgentInfo } from '../../protocol/v1/index.ts'
import type { Pid, ReplyTo } from '../../src/runtime/index.ts'
import type { Report } from './interning.ts'
import type { Agent } from './state.ts'

export interface Admission {
  readonly pid: Pid
  /** The latest one, interned; without the id. */
  report: Report
  /** With the id that it is given; frozen. */
  readonly info: AgentInfo
  /** A former life of the same actor, which leaves with this admission. */
  readonly former: Agent | undefined
  /** Its request, and those with which it repeated it. */
  readonly held: Array<ReplyTo | undefined>
}

export interface Admissions {
  /** Those that are not admitted yet, by address. */
  readonly pending: Map<Pid, Admission>
  /** Of these, those that are not handed to the registrar yet, in the order of their coming. */
  readonly waiting: Admission[]
  /** Writes under way. */
  writes: number
}

/** Writes under way at a time, as many as the log has on their way to its replicas. */
const WRITES_MAX = 4
/** Agents of one write: they enter the books in one turn. */
const BATCH_MAX = 64
/** Text of their documents, in characters: far below what an entry of the log may hold. */
const BATCH_TEXT_MAX = 2 ** 20

export function newAdmissions(): Admissions {
  return { pending: new Map(), waiting: [], writes: 0 }
}

/** Takes those along that shall be written together; none if enough is under way, or nobody waits. */
export function nextBatch({ waiting, writes }: Admissions): Admission[] {
  if (writes >= WRITES_MAX) return []
  let text = 0
  let count = 0
  for (const { info } of waiting) {
    text += JSON.stringify(info).length
    if (count > 0 && (count === BATCH_MAX || text > BATCH_TEXT_MAX)) break
    count++
  }
  return waiting.splice(0, count)
}
