/**
 * One simulated host with one program on it: ports that obey the run's seed, and a keeper that starts the
 * program again when it has died, as an init system does. Spec: simulation.md §1, §4-6.
 */
import {
  type ChildSpec,
  type Node,
  type NodeOptions,
  recordSuffixes,
  startNode,
} from '../../src/runtime/index.ts'
import { stream } from '../../src/runtime/ports/index.ts'
import { memoryHost } from '../../src/runtime/ports/memory-host.ts'
import { memoryProcesses } from '../../src/runtime/ports/memory-processes.ts'
import type { Clock, Log, Ports } from '../../src/runtime/ports.ts'
import type { SupervisorOptions } from '../../src/runtime/supervisor.ts'
import { memoryDisk } from '../../src/storage/memory-disk.ts'
import { type Backup, memoryStorage } from '../../src/storage/memory-store.ts'
import type { MemoryBroker } from '../../src/transport/memory.ts'
import { type HostClock, hostClock } from './host-clock.ts'
import { type HostPower, hostTransport } from './host-transport.ts'

export interface HostOptions {
  readonly name: string
  readonly seed: string
  readonly clock: Clock
  readonly broker: MemoryBroker
  readonly log: Log
  /** How long the keeper waits before it starts a program again that ended by itself, ms. */
  readonly restartMs: number
  readonly offsetMs?: number
  readonly speed?: number
  /** How long one write to a store, or one call to the disk, may take, asked for each, ms. */
  readonly commitMs: () => number
  readonly diskMs: () => number
  /** What comes to it of a message. */
  readonly arrived: (subject: string, data: Uint8Array) => Uint8Array
  /** What runs on it; called for each of its lives. */
  readonly program: (ports: Ports) => readonly ChildSpec[] | Promise<readonly ChildSpec[]>
  /** Connections to the broker besides the one for messages between actors. */
  readonly connections?: Pick<NodeOptions, 'lanes' | 'near'>
  /** How its root treats the program. */
  readonly supervision?: Partial<SupervisorOptions> | undefined
  /** A new life has begun; something befell the program. */
  readonly onLife: (host: SimulatedHost) => void
  readonly onEvent: (host: SimulatedHost, what: string) => void
}

/** Bytes of a disk. */
const capacity = 2 ** 40

/** The longest time after which the broker notices that a host has no power, ms. */
const noticeMsMax = 10_000

export class SimulatedHost {
  readonly name: string
  readonly clock: HostClock
  readonly ports: Ports
  readonly disk
  readonly storage
  readonly processes
  /** The program's node while it is up. */
  node: Node | undefined
  /** Failures of the program's own: the root gave up, or it could not start. */
  failures = 0
  readonly #options: HostOptions
  readonly #host
  readonly #power: HostPower
  /** Counts its disks: it has had others before, which were lost. */
  disks = 1
  /** Counts its lives and deaths. */
  #life = 0
  /** Its program is being started. */
  #isBooting = false
  #wanted = false
  /** Writes return no sooner than this, by monotonic time. */
  #stalledUntil = 0
  /** Stale reads before this life. */
  #staleBefore = 0

  constructor(options: HostOptions) {
    const { name, seed, clock, broker, log } = options
    this.name = name
    this.#options = options
    this.clock = hostClock(clock, options.offsetMs ?? 0, options.speed ?? 1)
    const notice = stream(seed, 'notice', name)
    this.#power = { isOff: false, noticeMs: () => noticeMsMax * notice.next() }
    this.disk = memoryDisk({ clock })
    const held = () => Math.max(0, this.#stalledUntil - clock.monotonic())
    this.storage = memoryStorage({ clock, commitMs: () => held() + options.commitMs() })
    this.disk.setFaults({
      // Shims write their records beside the agent, whatever becomes of it.
      latencyMs: (_, path) => (isRecord(path) ? 0 : held() + options.diskMs()),
    })
    this.processes = memoryProcesses({ clock, disk: this.disk })
    this.#host = memoryHost({ hostname: name })
    const decide = stream(seed, 'decider', name)
    this.ports = {
      clock: this.clock,
      random: stream(seed, 'node', name),
      transport: hostTransport(
        broker.transport(name),
        clock,
        this.clock,
        this.#power,
        options.arrived,
      ),
      disk: this.disk,
      storage: this.storage,
      processes: this.processes,
      host: this.#host,
      log,
      decider: (count) => decide.int(count),
    }
  }

  get isUp(): boolean {
    return this.node !== undefined
  }

  /** In this life its store has let it read what stood there before. */
  get hasReadStale(): boolean {
    return this.storage.staleReads > this.#staleBefore
  }

  /** Starts its program, unless that runs or is about to. */
  start(): void {
    this.#wanted = true
    if (!this.isUp && !this.#isBooting) this.#begin()
  }

  /** kill -9: what it had under way is lost, its disk and its tasks stay. */
  kill(): void {
    this.#wanted = false
    this.#die()
  }

  /** Kills its program, if there is one, and starts it again. */
  restart(): void {
    if (!this.isUp) return
    this.kill()
    this.start()
  }

  /** The power fails: what was not synced is gone or torn, and so are its processes. */
  crash(): void {
    this.#power.isOff = true
    this.kill()
    this.#power.isOff = false
    const { name, seed } = this.#options
    const random = stream(seed, 'crash', name, this.#life)
    this.disk.crash(random)
    this.processes.crash()
    this.#host.reboot()
  }

  /** The power fails, and the machine comes back with an empty disk. */
  wipe(): void {
    this.crash()
    this.disk.wipe()
    this.storage.wipe()
    this.disks++
  }

  /** The power fails, and the machine comes back with a disk as it was once. */
  restore(backup: Backup): void {
    this.crash()
    backup.restore()
    this.disks++
  }

  /** No write finds room, or all do again. */
  setFull(isFull: boolean): void {
    this.disk.setCapacity(isFull ? 0 : capacity)
    this.storage.setFull(isFull)
  }

  /** Reads and writes return after so long, as when a controller resets its disks. */
  stall(forMs: number): void {
    this.#stalledUntil = Math.max(this.#stalledUntil, this.#options.clock.monotonic() + forMs)
  }

  /** Ends the program in order, or what there is of one that is just being started. */
  async stop(): Promise<void> {
    this.#wanted = false
    const { node } = this
    this.node = undefined
    if (node === undefined) this.#die()
    else await node.stop()
  }

  #begin(): void {
    const life = ++this.#life
    this.#isBooting = true
    this.#staleBefore = this.storage.staleReads
    void this.#boot(life).catch((error: Error) => {
      if (life === this.#life) this.#ended(`could not start: ${error.message}`)
    })
  }

  async #boot(life: number): Promise<void> {
    const { name, program, connections, supervision = {}, onLife } = this.#options
    const children = await program(this.ports)
    if (life !== this.#life) return
    const node = await startNode({
      name,
      ports: this.ports,
      children,
      supervision,
      ...connections,
      onFailure: ({ kind, detail }) => {
        if (life === this.#life) this.#ended(`gave up: ${detail ?? kind}`)
      },
      onEnd: ({ kind }) => {
        if (life === this.#life && this.#wanted) this.#ended(`ended: ${kind}`)
      },
    })
    if (life !== this.#life) node.crash()
    else {
      this.#isBooting = false
      this.node = node
      onLife(this)
    }
  }

  /** The program ended by itself: the keeper starts it again. */
  #ended(why: string): void {
    this.failures++
    this.#options.onEvent(this, why)
    this.#die()
    const life = this.#life
    this.#options.clock.setTimeout(() => {
      if (this.#wanted && life === this.#life) this.#begin()
    }, this.#options.restartMs)
  }

  #die(): void {
    const { name, seed } = this.#options
    const life = ++this.#life
    this.#isBooting = false
    this.node?.crash()
    this.node = undefined
    this.clock.endProcess()
    this.disk.endProcess()
    this.storage.crash(stream(seed, 'torn', name, life))
    this.processes.endProcess()
  }
}

function isRecord(path: string): boolean {
  return Object.values(recordSuffixes).some((suffix) => path.endsWith(suffix))
}
