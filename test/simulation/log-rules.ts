/** The replicated log, judged by the disks of all replicas, dead ones too (replicated-log.md §13). */
import { crc32 } from 'node:zlib'
import { recordKey, type StoredRecord } from '../../actors/log/records.ts'
import type { Replica } from '../../actors/log/replica.ts'
import type { ReplicaState } from '../../actors/log/state.ts'
import { encode } from '../../protocol/codec.ts'
import type { Body } from '../../protocol/log.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'
import type { SimulatedHost } from './host.ts'
import { type Contents, readMetadata, readProgress, readRecord } from './log-disk.ts'
import { stateOf } from './views.ts'

/** What was seen of one disk of a replica. */
interface Disk {
  /** How often its replica has lost all, and begun anew. */
  readonly generation: number
  /** Highest promise for all positions, and the beginning of the log. */
  promised: number
  begin: number
  /** Records as they were when they were looked at: equal bytes need no second look. */
  readonly values: Map<string, { readonly value: Uint8Array; readonly learned: boolean }>
  /** Highest promise for each open position. */
  readonly promises: Map<number, number>
}

/** What was seen of one log, on the disks of all its replicas. */
export class LogHistory {
  readonly #disks = new Map<string, Disk>()
  /** How often each disk had changed when it was looked at. */
  readonly #changes = new Map<string, number>()
  /** Bodies that some replica has learned, by position, encoded. */
  readonly #learned = new Map<number, string>()
  /** Bodies by position and the proposal under which they were written, encoded. */
  readonly #written = new Map<string, string>()
  /** How often each entry was to be appended, and where it is learned, by `keyOf`. */
  readonly #asked = new Map<string, number>()
  readonly #places = new Map<string, Set<number>>()
  /** Who has appended under each epoch. */
  readonly #writers = new Map<number, string>()
  /** Positions of appends that were answered; the highest of them, now and at the last round of looks. */
  readonly #answered = new Set<number>()
  #confirmed = -1
  #confirmedBefore = -1
  /** Disks that were set back to an old copy, and the generation of that. */
  readonly #old = new Map<string, number>()
  /** What disks without a vote must have learned when they get one. */
  readonly #behind = new Map<string, number>()

  /** A writer is asked to append. */
  asked(data: Uint8Array): void {
    const key = keyOf(textOf({ type: 'APPEND', data }))
    this.#asked.set(key, (this.#asked.get(key) ?? 0) + 1)
  }

  /**
   * An append is answered.
   * @throws Violation L7 (§13.7), L8 (§13.8)
   */
  confirmed(writer: string, epoch: number, position: number, data: Uint8Array): void {
    const other = this.#writers.get(epoch) ?? writer
    if (other !== writer)
      throw new Violation('L7', `${writer} has appended under ${epoch}, and so has ${other}`)
    this.#writers.set(epoch, writer)
    this.#same('L8', this.#learned, position, textOf({ type: 'APPEND', data }), writer)
    this.#answered.add(position)
    this.#confirmed = Math.max(this.#confirmed, position)
  }

  /** Highest position of an append that was answered; -1 if none was. */
  get end(): number {
    return this.#confirmed
  }

  /**
   * Somebody is elected who asked for it when the log ended at `end`, and says that it ends at `position`;
   * its replica has learned without a gap what is before `learnedTo`.
   * @throws Violation L8, L10 (§13.10)
   */
  elected(writer: string, end: number, position: number, learnedTo: number): void {
    if (position < end)
      throw new Violation('L8', `${writer} begins after ${position}, and ${end} was answered`)
    if (learnedTo < position)
      throw new Violation('L10', `${writer} begins after ${position}, learned is ${learnedTo}`)
  }

  /** Whether a disk has changed since it was last asked: what was looked at already says nothing new. */
  isNew(replica: string, changes: number): boolean {
    if (this.#changes.get(replica) === changes) return false
    this.#changes.set(replica, changes)
    return true
  }

  /** A disk is an old copy, and others know that: its replica must say so, and votes only when it is filled again. */
  setBack(replica: string, generation: number): void {
    this.#old.set(replica, generation)
  }

  /** What a replica has on one disk it has on another one now, as it was. */
  moved(replica: string, to: string): void {
    const disk = this.#disks.get(replica)
    const behind = this.#behind.get(replica)
    if (disk !== undefined) this.#disks.set(to, disk)
    if (behind !== undefined) this.#behind.set(to, behind)
  }

  /**
   * A replica runs on a disk.
   * @throws Violation L3
   */
  runs(replica: string, { node, status, generations }: Replica): void {
    if (status === 'VOTING' && this.#isOld(replica, generations[node]))
      throw new Violation('L3', `${replica} votes, and that is an old copy`)
  }

  /**
   * Looks at what is durable on one disk of a replica, whose node is the first word of its name.
   * @throws Violation L1 (§13.1), L2 (§13.2, 7), L3 (§13.3), L4 (§13.4), L9 (§13.9), L10 (§13.10),
   *   L11 (§13.11), L14 (§13.14)
   */
  look(replica: string, contents: Contents): void {
    const metadata = readMetadata(contents)
    // Changed on the disk: a replica that has read it before may go on, and write it anew.
    if (metadata === undefined && contents.has('metadata')) return
    const [node = ''] = replica.split(' ')
    if (metadata?.status === 'VOTING' && this.#isOld(replica, metadata.generations[node])) return
    // What it promised was lost with the disk that held it; the others know not to count on it.
    if (metadata?.status !== 'VOTING') {
      this.#disks.delete(replica)
      // It has asked the others since the last look: what they had then it must get.
      if (!this.#behind.has(replica)) this.#behind.set(replica, this.#confirmedBefore)
    } else this.#votes(replica, contents)
    if (metadata === undefined || metadata.status === 'CORRUPT') return
    const seen = this.#diskOf(replica, metadata.generations[node] ?? 0)
    if (metadata.promised < seen.promised)
      throw new Violation('L3', `${replica} promised ${seen.promised}, now ${metadata.promised}`)
    seen.promised = metadata.promised
    const { begin, learned: ranges } = readProgress(contents)
    if (begin < seen.begin)
      throw new Violation('L10', `${replica} began at ${seen.begin}, and begins at ${begin} now`)
    seen.begin = begin
    for (const [key, value] of contents) {
      if (!key.startsWith('a/')) continue
      const position = Number(key.slice(2))
      const isMarked = ranges.some(([from, to]) => from <= position && position <= to)
      const known = seen.values.get(key)
      if (known?.value === value && known.learned === isMarked) continue
      seen.values.set(key, { value, learned: isMarked })
      const record = readRecord(contents, position)
      if (record !== undefined) this.#record(replica, seen, position, record, isMarked)
    }
  }

  /** All replicas have been looked at. */
  turn(): void {
    this.#confirmedBefore = this.#confirmed
  }

  #isOld(replica: string, generation = 0): boolean {
    return generation <= (this.#old.get(replica) ?? -1)
  }

  /** It has a vote: if it had none before, it has learned all that was answered until then. */
  #votes(replica: string, contents: Contents): void {
    // A disk that was not there at the last look is no older.
    const isNew = !this.#disks.has(replica) && !this.#behind.has(replica)
    const end = this.#behind.get(replica) ?? (isNew ? this.#confirmedBefore : -1)
    this.#behind.delete(replica)
    const { begin, learned } = readProgress(contents)
    const missing = []
    for (let position = begin; position <= end; position++) {
      const isMarked = learned.some(([from, to]) => from <= position && position <= to)
      if (isMarked) continue
      const record = readRecord(contents, position)
      // What was changed on the disk since shows when it is read.
      const isChanged = record === undefined && contents.has(recordKey(position))
      if (!isChanged && record?.learned !== true) missing.push(position)
    }
    if (missing.length === 0) return
    const isEmpty = learned.length === 0 && missing.length > end - begin
    throw new Violation(
      isEmpty ? 'L14' : 'L11',
      `${replica} votes without ${missing.length} of ${begin} to ${end}: ${missing.slice(0, 5)}`,
    )
  }

  #record(
    replica: string,
    { promises }: Disk,
    position: number,
    { promised, performed, body, learned }: StoredRecord,
    isMarked: boolean,
  ): void {
    const text = body && textOf(body)
    const isLearned = learned === true || isMarked
    if (isLearned && text !== undefined) {
      const rule = this.#answered.has(position) ? 'L8' : 'L1'
      this.#same(rule, this.#learned, position, text, replica)
      if (body?.type === 'APPEND') this.#placed(text, position)
    }
    // What is chosen was told by another, and stands for no vote.
    if (learned === true) return
    if (performed !== undefined && text !== undefined)
      this.#same('L2', this.#written, `${position} under ${performed}`, text, replica)
    if (performed !== undefined && performed > promised)
      throw new Violation('L4', `${replica} wrote ${position} under ${performed} of ${promised}`)
    const before = promises.get(position) ?? 0
    if (promised < before)
      throw new Violation('L3', `${replica} promised ${before} at ${position}, now ${promised}`)
    promises.set(position, promised)
  }

  /** An entry is at no more places than it was appended times. */
  #placed(text: string, position: number): void {
    const key = keyOf(text)
    const places = this.#places.get(key) ?? new Set()
    this.#places.set(key, places.add(position))
    const asked = this.#asked.get(key) ?? 0
    if (places.size > asked)
      throw new Violation(
        'L9',
        `${show(text)} was appended ${asked} times, and is at ${[...places].join(', ')}`,
      )
  }

  #same<Key>(rule: string, all: Map<Key, string>, key: Key, text: string, replica: string): void {
    const other = all.get(key)
    if (other !== undefined && other !== text)
      throw new Violation(rule, `${key} is ${show(text)} at ${replica}, and was ${show(other)}`)
    all.set(key, text)
  }

  /** One that was lost and filled again between two looks is another one. */
  #diskOf(replica: string, generation: number): Disk {
    const known = this.#disks.get(replica)
    if (known !== undefined && known.generation >= generation) return known
    const disk = { generation, promised: 0, begin: 0, values: new Map(), promises: new Map() }
    this.#disks.set(replica, disk)
    return disk
  }
}

/** Logs by the id of their replicas' actors, and where these keep their stores. */
export const logPaths = { log: '/m/log', 'state-log': '/m/state' } as const
export type LogId = keyof typeof logPaths

const seenOf = new WeakMap<Cluster, Record<LogId, LogHistory>>()

/** What is known of the logs of a cluster: the registry's, and that of the registers where there are some. */
export function logsOf(cluster: Cluster): Record<LogId, LogHistory> {
  const seen = seenOf.get(cluster) ?? { log: new LogHistory(), 'state-log': new LogHistory() }
  seenOf.set(cluster, seen)
  return seen
}

/** The name of a master's disk in the history of a log. */
export function diskOf({ name, disks }: Pick<SimulatedHost, 'name' | 'disks'>): string {
  return `${name} on disk ${disks}`
}

export function checkLogs(cluster: Cluster): void {
  for (const [id, history] of Object.entries(logsOf(cluster))) {
    const path = logPaths[id as LogId]
    for (const host of cluster.masters) {
      const { storage } = host
      const replica = diskOf(host)
      const state = stateOf<ReplicaState>(host, id)
      if (state !== undefined) history.runs(replica, state.replica)
      if (history.isNew(replica, storage.changes(path)))
        history.look(replica, storage.contents(path))
    }
    history.turn()
  }
}

function textOf(body: Body): string {
  return Buffer.from(encode(body)).toString('latin1')
}

/** The same for equal texts, and hardly ever for others. */
function keyOf(text: string): string {
  return `${crc32(text)} ${text.length}`
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}
