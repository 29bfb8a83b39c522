/**
 * The transport port in memory: a broker with the semantics of NATS, on the clock port, and with the
 * faults that tests and simulations ask for. `spec/simulation.md` §4 says what it must keep: at most
 * once; order per publisher, none across a reconnect; queue groups; no responders; largest payload;
 * slow consumers cut. Messages are copied as bytes for every receiver.
 *
 * It also carries a whole cluster in one process where no broker can be had.
 */
import {
  type Clock,
  type Connection,
  type Delivery,
  type Random,
  type Transport,
  TransportError,
} from '../runtime/ports.ts'
import { type Fault, Faults, type Passing, type PassingFilter } from './faults.ts'
import {
  type BrokerSide,
  type Command,
  type Interest,
  MemoryConnection,
} from './memory-connection.ts'
import { SubjectTree, subjectMatches } from './subject-tree.ts'

export interface MemoryBrokerOptions {
  readonly clock: Clock
  /** Chooses among the members of a queue group. Absent: evenly, and the same in each run. */
  readonly random?: Random
  /** Bytes of the largest payload. Default 1 MiB. */
  readonly maxPayload?: number
  /** Bytes that may wait in each direction of a connection. Default 64 MiB. */
  readonly pendingBytesMax?: number
  /** After how long a slow consumer is back. Default 250. */
  readonly reconnectWaitMs?: number
  /**
   * How long a message travels between two owners; it may differ each time, order is kept. Default 0:
   * it arrives in the next deferred turn.
   */
  readonly latencyMs?: (from: string, to: string) => number
}

/** Counts since the start, in messages. */
export interface MemoryBrokerStats {
  /** Taken from publishers. */
  readonly published: number
  /** Sent to receivers, each copy counted. */
  readonly delivered: number
  /** Lost by a fault. */
  readonly dropped: number
  /** Requests answered with "no responders". */
  readonly unanswerable: number
}

/** Which operations of an owner the broker refuses. */
export interface Denial {
  readonly owner: string
  readonly operation: 'publish' | 'subscribe'
  /** Subjects, wildcards allowed. For `subscribe` it must match the subscription's own pattern. */
  readonly subject: string
}

/**
 * An in-memory network. An *owner* is the name under which a transport was taken: usually a node. All
 * faults aim at owners.
 *
 * @example
 * const broker = memoryBroker({ clock })
 * const connection = await broker.transport('agent-1').connect({ name: 'agent-1' })
 * broker.drop(({ subject }) => subjectMatches('meseta.pid.*.registrar', subject))
 */
export interface MemoryBroker
  extends Pick<Faults, 'drop' | 'delay' | 'duplicate' | 'partition' | 'isolate'> {
  transport(owner: string): Transport
  /**
   * The route between two brokers of a cluster is lost: the owners at one do not see what those at the other
   * subscribe to, and the other way round.
   */
  sever(some: readonly string[], others: readonly string[]): Fault
  /** Ends all faults of messages, denials and lost routes included. Owners that are disconnected stay so. */
  heal(): void
  /** Refuses what matches, and tells the owner so (status `denied`). */
  deny(denial: Denial): Fault
  /** Cuts the owner's connections, and refuses new ones; without a name those of everybody. */
  disconnect(owner?: string): void
  /** Undoes `disconnect`. */
  reconnect(owner?: string): void
  /** Resolves with the next matching message that the broker takes, before any fault strikes it. */
  expect(filter: PassingFilter): Promise<Passing>
  stats(): MemoryBrokerStats
}

interface LostRoute {
  readonly ends: readonly [ReadonlySet<string>, ReadonlySet<string>]
  hits: number
}

const noData = new Uint8Array(0)

/** Starts an empty network. */
export function memoryBroker(options: MemoryBrokerOptions): MemoryBroker {
  return new Broker(options)
}

class Broker implements MemoryBroker, BrokerSide {
  readonly clock: Clock
  readonly maxPayload: number
  readonly pendingBytesMax: number
  readonly #options: MemoryBrokerOptions
  readonly #faults = new Faults()
  readonly #denials = new Set<Denial & { hits: number }>()
  readonly #lostRoutes = new Set<LostRoute>()
  readonly #expectations = new Set<{ filter: PassingFilter; resolve: (found: Passing) => void }>()
  readonly #connections = new Set<MemoryConnection>()
  readonly #interests = new SubjectTree<Interest>()
  readonly #away = new Set<string>()
  #allAway = false
  /** Counts the choices among members of queue groups. */
  #turn = 0
  readonly #stats = { published: 0, delivered: 0, dropped: 0, unanswerable: 0 }

  constructor(options: MemoryBrokerOptions) {
    this.#options = options
    this.clock = options.clock
    this.maxPayload = options.maxPayload ?? 1_048_576
    this.pendingBytesMax = options.pendingBytesMax ?? 64 * 1_048_576
  }

  transport(owner: string): Transport {
    return {
      connect: async (): Promise<Connection> => {
        if (this.#isAway(owner)) {
          throw new TransportError(
            'CONNECT_FAILED',
            `${owner} is cut off from the in-memory broker`,
          )
        }
        const connection = new MemoryConnection(owner, this)
        this.#connections.add(connection)
        return connection
      },
    }
  }

  drop(filter: PassingFilter): Fault {
    return this.#faults.drop(filter)
  }

  delay(filter: PassingFilter, ms: number): Fault {
    return this.#faults.delay(filter, ms)
  }

  duplicate(filter: PassingFilter, afterMs?: number): Fault {
    return this.#faults.duplicate(filter, afterMs)
  }

  partition(...args: Parameters<Faults['partition']>): Fault {
    return this.#faults.partition(...args)
  }

  isolate(owner: string): Fault {
    return this.#faults.isolate(owner)
  }

  sever(some: readonly string[], others: readonly string[]): Fault {
    const ends = [new Set(some), new Set(others)] as const
    const route = { ends, hits: 0, remove: () => this.#lostRoutes.delete(route) }
    this.#lostRoutes.add(route)
    return route
  }

  heal(): void {
    this.#faults.clear()
    this.#denials.clear()
    this.#lostRoutes.clear()
  }

  deny(denial: Denial): Fault {
    const rule = { ...denial, hits: 0, remove: () => this.#denials.delete(rule) }
    this.#denials.add(rule)
    return rule
  }

  disconnect(owner?: string): void {
    if (owner === undefined) this.#allAway = true
    else this.#away.add(owner)
    for (const connection of this.#connections) {
      if (this.#isAway(connection.owner)) this.#cut(connection)
    }
  }

  reconnect(owner?: string): void {
    if (owner === undefined) this.#allAway = false
    else this.#away.delete(owner)
    for (const connection of this.#connections) this.#restore(connection)
  }

  expect(filter: PassingFilter): Promise<Passing> {
    return new Promise((resolve) => this.#expectations.add({ filter, resolve }))
  }

  stats(): MemoryBrokerStats {
    return { ...this.#stats }
  }

  accept(from: MemoryConnection, command: Command): void {
    if (command.type === 'publish') this.#publish(from, command)
    else if (command.type === 'unsubscribe') this.#forget(command.interest)
    else if (this.#denied(from, 'subscribe', command.interest.subject)) {
      command.interest.open = false
      from.interests.delete(command.interest)
    } else this.#interests.add(command.interest.subject, command.interest)
  }

  slowConsumer(connection: MemoryConnection): void {
    this.#cut(connection, 'slow consumer: the broker cut the connection')
    this.clock.setTimeout(() => this.#restore(connection), this.#options.reconnectWaitMs ?? 250)
  }

  closed(connection: MemoryConnection): void {
    this.#connections.delete(connection)
    for (const interest of connection.interests) this.#forget(interest)
  }

  #publish(from: MemoryConnection, message: Command & { type: 'publish' }): void {
    const { subject, reply, data } = message
    if (this.#denied(from, 'publish', subject)) return
    this.#stats.published++
    this.#meetExpectations({ from: from.owner, subject, reply, data })
    const receivers = this.#receivers(subject, from.owner)
    for (const receiver of receivers) this.#route(from, receiver, message)
    if (receivers.length === 0 && reply !== undefined) this.#answerNoResponders(from, reply)
  }

  /** Every subscription outside of queue groups, and one of each group. */
  #receivers(subject: string, from: string): readonly Interest[] {
    const receivers: Interest[] = []
    let groups: Map<string, Interest[]> | undefined
    this.#interests.match(subject, (interest) => {
      if (this.#isBeyond(from, interest.connection.owner)) return
      if (interest.queue === undefined) {
        receivers.push(interest)
        return
      }
      groups ??= new Map()
      // As in NATS, equal names on different patterns are different groups.
      const group = `${interest.subject} ${interest.queue}`
      const members = groups.get(group)
      if (members) members.push(interest)
      else groups.set(group, [interest])
    })
    for (const members of groups?.values() ?? []) {
      const index = this.#choose(members.length)
      receivers.push(members[index]!)
    }
    return receivers
  }

  /** Whether the route between them is lost. */
  #isBeyond(from: string, to: string): boolean {
    for (const route of this.#lostRoutes) {
      const [one, other] = route.ends
      if (!((one.has(from) && other.has(to)) || (other.has(from) && one.has(to)))) continue
      route.hits++
      return true
    }
    return false
  }

  #choose(count: number): number {
    const { random } = this.#options
    if (random) return random.int(count)
    // Multiples of the golden ratio spread evenly, however several groups share the counter.
    return Math.floor(((this.#turn++ * 0.618_033_988_75) % 1) * count)
  }

  #route(from: MemoryConnection, to: Interest, message: Command & { type: 'publish' }): void {
    const { subject, reply, data } = message
    const target = to.connection
    const passing: Passing = { from: from.owner, to: target.owner, subject, reply, data }
    const copies = this.#faults.fate(passing)
    if (copies.length === 0) this.#stats.dropped++
    for (const astrayMs of copies) {
      this.#stats.delivered++
      const delivery: Delivery = { subject, reply, data: new Uint8Array(data), noResponders: false }
      target.deliver(from, to, delivery, this.#latency(from, target), astrayMs)
    }
  }

  /** Tells the publisher, if it listens for the reply, at one of its subscriptions as NATS does. */
  #answerNoResponders(from: MemoryConnection, reply: string): void {
    for (const interest of from.interests) {
      if (!subjectMatches(interest.subject, reply)) continue
      this.#stats.unanswerable++
      const delivery: Delivery = { subject: reply, data: noData, noResponders: true }
      from.deliver(from, interest, delivery, this.#latency(from, from), 0)
      return
    }
  }

  #latency(from: MemoryConnection, to: MemoryConnection): number {
    return this.#options.latencyMs?.(from.owner, to.owner) ?? 0
  }

  #meetExpectations(passing: Passing): void {
    for (const expectation of this.#expectations) {
      if (!expectation.filter(passing)) continue
      this.#expectations.delete(expectation)
      expectation.resolve({ ...passing, data: new Uint8Array(passing.data) })
    }
  }

  #denied(from: MemoryConnection, operation: Denial['operation'], subject: string): boolean {
    for (const denial of this.#denials) {
      if (denial.owner !== from.owner || denial.operation !== operation) continue
      if (!subjectMatches(denial.subject, subject)) continue
      denial.hits++
      from.deny(operation, subject)
      return true
    }
    return false
  }

  #forget(interest: Interest): void {
    this.#interests.remove(interest.subject, interest)
  }

  #cut(connection: MemoryConnection, reason?: string): void {
    for (const interest of connection.interests) this.#forget(interest)
    connection.disconnect(reason)
  }

  #restore(connection: MemoryConnection): void {
    if (!this.#isAway(connection.owner)) connection.reconnect()
  }

  #isAway(owner: string): boolean {
    return this.#allAway || this.#away.has(owner)
  }
}
