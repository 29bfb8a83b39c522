/**
 * What replicas of a log answer to those who propose: only those that vote do (L6), and only what is on their
 * disk (L5). Spec: replicated-log.md §13.5, 6.
 */
import { recordKey } from '../../actors/log/records.ts'
import type {
  PromiseReply,
  PromiseRequest,
  Status,
  WriteReply,
  WriteRequest,
} from '../../protocol/log.ts'
import type { Payload } from '../../protocol/message.ts'
import { Violation } from './history.ts'
import { readMetadata, readProgress, readRecord } from './log-disk.ts'

export type Proposal = Payload<typeof PromiseRequest> | Payload<typeof WriteRequest>

export interface Answered {
  readonly replica: string
  /** Before the request came to it. */
  readonly status: Status
  readonly request: Proposal
  readonly reply: PromiseReply | WriteReply
  /** What is durable when the answer has come. */
  readonly contents: ReadonlyMap<string, Uint8Array>
}

/** @throws Violation L5, L6 */
export function checkAnswer({ replica, status, request, reply, contents }: Answered): void {
  if (reply.type !== 'ACCEPT' && reply.type !== 'REJECT') return
  if (status !== 'VOTING')
    throw new Violation('L6', `${replica} is ${status}, and answers ${reply.type}`)
  if (reply.type === 'REJECT') return
  const metadata = readMetadata(contents)
  // It has lost since what it had: then its answer counts for nothing.
  if (metadata === undefined || metadata.status !== 'VOTING') return
  const { generations } = metadata
  if ((generations[replica] ?? 0) > (reply.generations[replica] ?? 0)) return
  const lacks = (what: string) => {
    const text = `${replica} has accepted ${request.proposal}, and its disk holds no ${what}`
    throw new Violation('L5', text)
  }
  const isWrite = 'entries' in request
  if (!isWrite && request.position === undefined) {
    if (metadata.promised < request.proposal) lacks('such promise')
    return
  }
  // What is chosen may be told before the disk says that it is.
  if ('learned' in reply && reply.learned) return
  const { begin } = readProgress(contents)
  const positions = isWrite ? request.entries.map(({ position }) => position) : [request.position]
  for (const position of positions) {
    if (position === undefined || position < begin) continue
    if (!contents.has(recordKey(position))) lacks(`record of ${position}`)
    const record = readRecord(contents, position)
    // What was changed on the disk shows when it is read.
    if (record === undefined || record.learned === true) continue
    const proposal = isWrite ? record.performed : record.promised
    if ((proposal ?? 0) < request.proposal) lacks(`such record of ${position}`)
  }
}
