/** The air between the hosts: how long messages travel, and which are lost, doubled or out of turn (§4). */
import { stream } from '../../src/runtime/ports/index.ts'
import type { Clock, Random } from '../../src/runtime/ports.ts'
import type { Fault, Passing } from '../../src/transport/faults.ts'
import type { MemoryBroker } from '../../src/transport/memory.ts'
import type { Plan, Way } from './plan.ts'

/** The owner of the operators' connection. */
export const operatorsHost = 'operators'

/** After how long a second copy of a message may come. */
export const copyMsMax = 60_000
const copyMs = [1, 20_000, copyMsMax]

/** For how long an executor is not heard at the most, ms: longer than it waits for an answer. */
const heldMsMax = 20_000

/** What some hosts say to others is held until then. */
interface Jam {
  readonly from: ReadonlySet<string>
  readonly to: ReadonlySet<string>
  readonly untilMs: number
}

/** Delays and losses of messages, each way from a stream of its own. */
export class Air {
  isBad = false
  readonly #plan: Plan
  readonly #clock: Clock
  readonly #latencies: Draws
  readonly #flips: Draws
  readonly #holds: Draws
  /** Until when messages from a host are held, those to one, and those of all, by monotonic time. */
  readonly #cloggedOut = new Map<string, number>()
  readonly #cloggedIn = new Map<string, number>()
  #frozenUntil = 0
  #jams: readonly Jam[] = []
  /** Of messages that come late or changed. */
  #hits = 0
  readonly #rules: Fault[] = []

  constructor(plan: Plan, clock: Clock) {
    this.#plan = plan
    this.#clock = clock
    this.#latencies = new Draws(plan.seed, 'latency')
    this.#flips = new Draws(plan.seed, 'flip')
    this.#holds = new Draws(plan.seed, 'hold')
  }

  /** How many messages the weather has lost, doubled, put out of turn, held back or changed. */
  get harmed(): number {
    return this.#rules.reduce((sum, { hits }) => sum + hits, this.#hits)
  }

  /** What a host says, what is said to it, or both is held for so long, and then comes in order. */
  clog(node: string, forMs: number, way: Way): void {
    const until = this.#clock.monotonic() + forMs
    const hold = (held: Map<string, number>) => held.set(node, Math.max(until, held.get(node) ?? 0))
    if (way !== 'in') hold(this.#cloggedOut)
    if (way !== 'out') hold(this.#cloggedIn)
  }

  /** The same for everybody: the broker's process stands still. */
  freeze(forMs: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#clock.monotonic() + forMs)
  }

  /** The same for what some say to others. */
  jam(from: readonly string[], to: readonly string[], forMs: number): void {
    const nowMs = this.#clock.monotonic()
    const jam = { from: new Set(from), to: new Set(to), untilMs: nowMs + forMs }
    this.#jams = [...this.#jams.filter(({ untilMs }) => untilMs > nowMs), jam]
  }

  latencyMs(from: string, to: string): number {
    const { latencyMs, tail } = this.#plan.weather
    const draw = this.#latencies.of(from, to)
    const isLate = this.isBad && draw.next() < tail
    if (isLate) this.#hits++
    const usualMs = isLate ? 2000 * draw.next() : latencyMs * (0.5 + draw.next())
    return Math.max(0, this.#heldUntil(from, to) - this.#clock.monotonic()) + usualMs
  }

  #heldUntil(from: string, to: string): number {
    const out = this.#cloggedOut.get(from) ?? 0
    let untilMs = Math.max(this.#frozenUntil, out, this.#cloggedIn.get(to) ?? 0)
    for (const jam of this.#jams)
      if (jam.untilMs > untilMs && jam.from.has(from) && jam.to.has(to)) untilMs = jam.untilMs
    return untilMs
  }

  /**
   * For how long what an executor says is held, beginning with SUBSCRIBE, while it hears all. Nothing else
   * happens to messages of a host to itself alone.
   */
  heldMs(host: string): number {
    const { held = 0 } = this.#plan.weather
    if (!this.isBad || held === 0) return 0
    const draw = this.#holds.of(host, host)
    if (draw.next() >= held) return 0
    this.#hits++
    return draw.int(heldMsMax)
  }

  disturb(broker: MemoryBroker): void {
    const { drop, duplicate, reorder } = this.#plan.weather
    const strikes = (what: string, rate: number) => {
      const draws = new Draws(this.#plan.seed, what)
      return ({ from, to = '' }: { from: string; to?: string }) =>
        from !== to && draws.of(from, to).next() < rate
    }
    const rules = this.#rules
    if (drop > 0) rules.push(broker.drop(strikes('drop', drop)))
    if (duplicate > 0) {
      for (const afterMs of copyMs) {
        const twice = strikes(`duplicate ${afterMs}`, duplicate / copyMs.length)
        rules.push(broker.duplicate((passing) => twice(passing) && mayComeTwice(passing), afterMs))
      }
    }
    // What one client publishes on one subject stays in order (NATS promises that, and clients rely on
    // it); between nodes the frames are numbered, so that there anything may happen.
    const between = strikes('reorder', reorder)
    const isBetween = (passing: Passing) =>
      passing.subject.startsWith('meseta.pid.') && between(passing)
    if (reorder > 0) rules.push(broker.delay(isBetween, 50))
  }

  /**
   * What comes to a host of a message: now and then it was changed on its way. Frames between nodes show
   * that; with documents of others it is for their connection to notice.
   */
  arrived(to: string, subject: string, data: Uint8Array): Uint8Array {
    const { flip } = this.#plan.weather
    if (!this.isBad || flip === 0 || !subject.startsWith('meseta.pid.')) return data
    const draw = this.#flips.of('*', to)
    if (draw.next() >= flip) return data
    this.#hits++
    const changed = new Uint8Array(data)
    const at = draw.int(changed.length)
    changed[at] = (changed[at] ?? 0) ^ (1 << draw.int(8))
    return changed
  }
}

/** The streams that decide one thing, by sender and receiver; asked with each message. */
class Draws {
  readonly #seed: string
  readonly #what: string
  readonly #streams = new Map<string, Map<string, Random>>()

  constructor(seed: string, what: string) {
    this.#seed = seed
    this.#what = what
  }

  of(from: string, to: string): Random {
    return this.#streams.get(from)?.get(to) ?? this.#begin(from, to)
  }

  #begin(from: string, to: string): Random {
    const begun = stream(this.#seed, 'net', this.#what, from, to)
    const known = this.#streams.get(from)
    if (known === undefined) this.#streams.set(from, new Map([[to, begun]]))
    else known.set(to, begun)
    return begun
  }
}

/**
 * A copy of SUBSCRIBE is another instance that takes over, by the protocol; and what an operator decided
 * once, is decided once. NATS makes no copies.
 */
function mayComeTwice({ from, data }: Passing): boolean {
  if (from === operatorsHost) return false
  return !Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes('SUBSCRIBE')
}
