/**
 * A host whose program may die at each of its dealings with the outside: after each change of its disk, each
 * process that it starts or signals, each message that it publishes, and during each write of a store, whose
 * commits may survive as far as LevelDB permits. Between two dealings nothing happens that anybody could
 * notice later, so these are all moments of death that there are. Spec: simulation.md §5, §6.
 */
import { type ChildSpec, type Node, startNode } from '../../../src/runtime/index.ts'
import { stream, type VirtualClock } from '../../../src/runtime/ports/index.ts'
import { memoryHost } from '../../../src/runtime/ports/memory-host.ts'
import { memoryLog } from '../../../src/runtime/ports/memory-log.ts'
import { memoryProcesses } from '../../../src/runtime/ports/memory-processes.ts'
import type {
  Connection,
  Disk,
  FileHandle,
  Ports,
  Processes,
  Random,
  Transport,
} from '../../../src/runtime/ports.ts'
import { makeDurableDirectory } from '../../../src/storage/durable-directory.ts'
import { memoryDisk } from '../../../src/storage/memory-disk.ts'
import { memoryStorage } from '../../../src/storage/memory-store.ts'
import type { MemoryBroker } from '../../../src/transport/memory.ts'
import { hostClock } from '../host-clock.ts'
import type { Choose } from './explore.ts'

/** kill -9 leaves the disk and the tasks; a power failure takes what was not synced, and all processes. */
export type Death = 'kill' | 'power failure'

export interface MortalOptions {
  readonly name: string
  readonly clock: VirtualClock
  readonly broker: MemoryBroker
  readonly choose: Choose
  /** How it may die, and how often; once, if that is not said. */
  readonly deaths: readonly Death[]
  readonly deathsMax?: number
  /** What runs on it, asked for each life. */
  readonly program: (ports: Ports) => readonly ChildSpec[] | Promise<readonly ChildSpec[]>
}

/** How long the program is down after a death, ms. */
const downMs = 1000

export class MortalHost {
  readonly disk
  readonly storage
  readonly processes
  readonly log = memoryLog()
  /** The program's node while it is up. */
  node: Node | undefined
  /** How often it has died. */
  deaths = 0
  readonly #options: MortalOptions
  readonly #clock
  readonly #host
  readonly #random: Random
  #life = 0
  #isStopping = false

  constructor(options: MortalOptions) {
    const { name, clock } = options
    this.#options = options
    this.#clock = hostClock(clock, 0, 1)
    this.disk = memoryDisk({ clock })
    this.storage = memoryStorage({ clock, commitMs: () => this.#deal('a commit') })
    this.processes = memoryProcesses({ clock, disk: this.disk })
    this.#host = memoryHost({ hostname: name })
    this.#random = stream('scope', name)
  }

  /** Starts the program; it is started again after a death. */
  start(): void {
    void this.#begin(++this.#life)
  }

  /** Ends the program in order, once it is up; it dies no more. */
  async stop(): Promise<void> {
    const { clock } = this.#options
    this.#isStopping = true
    await clock.advanceUntil(() => this.node !== undefined, 10 * downMs)
    let isStopped = false
    void this.node?.stop().then(() => {
      isStopped = true
    })
    await clock.advanceUntil(() => isStopped, 60_000)
  }

  async #begin(life: number): Promise<void> {
    const { name, program } = this.#options
    const ports = this.#ports(life)
    const children = await program(ports)
    if (life !== this.#life) return
    const node = await startNode({ name, ports, children })
    if (life === this.#life) this.node = node
    else node.crash()
  }

  /** The outside has noticed something: now it may die. Costs no time. */
  #deal(what: string): 0 {
    const { choose, deaths, deathsMax = 1 } = this.#options
    if (this.deaths >= deathsMax || this.#isStopping) return 0
    const death = deaths[choose(1 + deaths.length, `death at ${what}`) - 1]
    if (death !== undefined) {
      this.deaths++
      this.#die(death)
    }
    return 0
  }

  #die(death: Death): void {
    const { choose, clock } = this.#options
    this.#life++
    this.node?.crash()
    this.node = undefined
    this.#clock.endProcess()
    this.storage.crash(decided((count) => choose(count, 'commits that survive')))
    if (death === 'kill') {
      this.disk.endProcess()
      this.processes.endProcess()
    } else {
      // One fate for all that was not synced (see `fate` and `crashedSize` of memory-file.ts): nothing of
      // it is relied upon, and each page by itself would make too many worlds.
      const fate = choose(3, 'fate of what was not synced')
      this.disk.crash(decided((count) => Math.min(fate, count - 1)))
      this.processes.crash()
      this.#host.reboot()
    }
    clock.setTimeout(() => this.start(), downMs)
  }

  #ports(life: number): Ports {
    const { name, broker } = this.#options
    const isAlive = () => life === this.#life
    const dealing: Dealing = async (what, call) => {
      if (!isAlive()) return never()
      const result = await call()
      if (isAlive()) this.#deal(what)
      return isAlive() ? result : never()
    }
    return {
      clock: this.#clock,
      random: this.#random,
      transport: speaking(broker.transport(name), isAlive, (what) => this.#deal(what)),
      disk: writing(this.disk, dealing),
      storage: {
        open: async (path) => {
          if (!isAlive()) return never()
          // As LevelDB's does (level-store.ts): what is in there is on this disk.
          await makeDurableDirectory(this.disk, path)
          return this.storage.open(path)
        },
      },
      processes: starting(this.processes, dealing, isAlive, (what) => this.#deal(what)),
      host: this.#host,
      log: this.log,
    }
  }
}

type Dealing = <T>(what: string, call: () => Promise<T>) => Promise<T>

const never = (): Promise<never> => new Promise(() => undefined)

/** What the dead say is not heard. */
function speaking(
  transport: Transport,
  isAlive: () => boolean,
  deal: (what: string) => void,
): Transport {
  return {
    async connect(options) {
      const inner = await transport.connect(options)
      const connection: Connection = {
        get maxPayload() {
          return inner.maxPayload
        },
        get connected() {
          return inner.connected
        },
        publish(subject, data, reply) {
          if (!isAlive()) return
          inner.publish(subject, data, reply)
          deal(`a message to ${subject}`)
        },
        subscribe: (subject, handler, queue) => inner.subscribe(subject, handler, queue),
        flush: () => inner.flush(),
        onStatus: (listener) => inner.onStatus(listener),
        pendingBytes: () => inner.pendingBytes(),
        close: () => inner.close(),
      }
      return connection
    },
  }
}

function writing(disk: Disk, dealing: Dealing): Disk {
  const file = (path: string, inner: FileHandle): FileHandle => ({
    read: (position, length) => inner.read(position, length),
    size: () => inner.size(),
    close: () => inner.close(),
    write: (position, data) => dealing(`write ${path}`, () => inner.write(position, data)),
    append: (data) => dealing(`append ${path}`, () => inner.append(data)),
    truncate: (size) => dealing(`truncate ${path}`, () => inner.truncate(size)),
    sync: () => dealing(`sync ${path}`, () => inner.sync()),
  })
  return {
    readFile: (path) => disk.readFile(path),
    list: (path) => disk.list(path),
    readlink: (path) => disk.readlink(path),
    stat: (path) => disk.stat(path),
    space: (path) => disk.space(path),
    async open(path, mode) {
      if (mode === 'read') return disk.open(path, mode)
      return file(path, await dealing(`open ${path}`, () => disk.open(path, mode)))
    },
    writeFile: (path, data) => dealing(`write ${path}`, () => disk.writeFile(path, data)),
    rename: (from, to) => dealing(`rename ${from}`, () => disk.rename(from, to)),
    unlink: (path) => dealing(`unlink ${path}`, () => disk.unlink(path)),
    makeDirectory: (path) => dealing(`make ${path}`, () => disk.makeDirectory(path)),
    removeTree: (path) => dealing(`remove ${path}`, () => disk.removeTree(path)),
    symlink: (target, path) => dealing(`symlink ${path}`, () => disk.symlink(target, path)),
    syncDirectory: (path) => dealing(`sync ${path}`, () => disk.syncDirectory(path)),
  }
}

function starting(
  processes: Processes,
  dealing: Dealing,
  isAlive: () => boolean,
  deal: (what: string) => void,
): Processes {
  return {
    spawn: (options) => dealing(`start ${options.args.at(-1)}`, () => processes.spawn(options)),
    adopt: (pid, startTime) => processes.adopt(pid, startTime),
    groupAlive: (pgid) => processes.groupAlive(pgid),
    kill(pid, signal, group) {
      if (!isAlive()) return false
      const isHit = processes.kill(pid, signal, group)
      deal(signal)
      return isHit
    },
  }
}

/** Only draws integers: no more is asked of it at a crash. */
function decided(int: (count: number) => number): Random {
  const refuse = () => {
    throw new Error('a crash draws integers only')
  }
  return { int, next: refuse, bytes: refuse, uuid: refuse }
}
