/** Ports assembled: the real ones of a node, and their twins in memory. */
import { systemDisk } from '../../storage/disk.ts'
import { levelStorage } from '../../storage/level-store.ts'
import { type MemoryDisk, memoryDisk } from '../../storage/memory-disk.ts'
import { type MemoryStorage, memoryStorage } from '../../storage/memory-store.ts'
import type { Clock, Log, Ports, Transport } from '../ports.ts'
import { type MemoryHost, type MemoryHostOptions, memoryHost } from './memory-host.ts'
import { type MemoryLog, memoryLog } from './memory-log.ts'
import { type MemoryProcesses, memoryProcesses } from './memory-processes.ts'
import { type PinoLogOptions, pinoLog } from './pino-log.ts'
import { type Seed, stream } from './seeded-random.ts'
import { systemClock } from './system-clock.ts'
import { systemHost } from './system-host.ts'
import { type SystemProcesses, systemProcesses } from './system-processes.ts'
import { systemRandom } from './system-random.ts'

export interface SystemPortsOptions {
  readonly transport: Transport
  /** A log of the caller's, or how to write lines. Default: JSON lines from `info` up, on stderr. */
  readonly log?: Log | PinoLogOptions
}

/** With `processes.close()`, which lets the program end while processes that it adopted live on. */
export interface SystemPorts extends Ports {
  readonly processes: SystemProcesses
}

/** The ports of a real node. */
export function systemPorts(options: SystemPortsOptions): SystemPorts {
  const { transport, log = {} } = options
  return {
    clock: systemClock,
    random: systemRandom(),
    transport,
    disk: systemDisk,
    storage: levelStorage,
    processes: systemProcesses({ clock: systemClock }),
    host: systemHost,
    log: 'write' in log ? log : pinoLog(log),
  }
}

export interface MemoryPortsOptions {
  /** Usually one `virtualClock` for all nodes of a test. */
  readonly clock: Clock
  readonly seed: Seed
  /** The in-memory network, usually one for all nodes of a test: `memoryBroker({clock})`. */
  readonly broker: { transport(owner: string): Transport }
  /** Hostname, owner of its connections, and name of its random streams. Default: `host`. */
  readonly name?: string
  readonly host?: Omit<MemoryHostOptions, 'hostname'>
}

/** The twins of one simulated host, with what tests do to them. */
export interface MemoryPorts extends Ports {
  readonly disk: MemoryDisk
  readonly storage: MemoryStorage
  readonly processes: MemoryProcesses
  readonly host: MemoryHost
  readonly log: MemoryLog
  /** The node's process dies: what it had under way never answers; disk, stores, processes live on. */
  endProcess(): void
  /** The host dies: unsynced data survives as the seed decides, processes end, the boot id changes. */
  crashHost(): void
}

/** Disk, stores, processes and facts of one simulated host; a restarted node gets the same object. */
export function memoryPorts(options: MemoryPortsOptions): MemoryPorts {
  const { clock, seed, broker, name = 'host' } = options
  const crashRandom = stream(seed, 'crash', name)
  const disk = memoryDisk({ clock })
  const storage = memoryStorage({ clock })
  const processes = memoryProcesses({ clock, disk })
  const host = memoryHost({ ...options.host, hostname: name })
  return {
    clock,
    random: stream(seed, 'node', name),
    transport: broker.transport(name),
    disk,
    storage,
    processes,
    host,
    log: memoryLog(),
    endProcess() {
      disk.endProcess()
      storage.crash(crashRandom)
      processes.endProcess()
    },
    crashHost() {
      disk.crash(crashRandom)
      storage.crash(crashRandom)
      processes.crash()
      host.reboot()
    },
  }
}

export type { Behaviour, Outcome } from './memory-processes.ts'
export { type Seed, stream } from './seeded-random.ts'
export { systemClock } from './system-clock.ts'
export { type VirtualClock, virtualClock } from './virtual-clock.ts'
export type {
  MemoryDisk,
  MemoryHost,
  MemoryLog,
  MemoryProcesses,
  MemoryStorage,
  PinoLogOptions,
  SystemProcesses,
}
