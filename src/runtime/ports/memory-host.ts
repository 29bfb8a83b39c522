/** A machine that is only a few facts, for tests and simulations. */
import type { Host } from '../ports.ts'

export interface MemoryHostOptions {
  readonly hostname?: string
  readonly cpus?: number
  /** Bytes. */
  readonly memory?: number
  readonly env?: Readonly<Record<string, string>>
}

export interface MemoryHost extends Host {
  /** The machine starts anew: its boot id changes. Processes and disks are crashed separately. */
  reboot(): void
}

/** Defaults: `host`, 4 CPUs, 8 GiB, no environment variables. */
export function memoryHost(options: MemoryHostOptions = {}): MemoryHost {
  const { hostname = 'host', cpus = 4, memory = 8 * 2 ** 30, env = {} } = options
  let boots = 1
  return {
    hostname,
    cpus: () => cpus,
    memory: () => memory,
    bootId: async () => `boot-${boots}-of-${hostname}`,
    env: () => env,
    reboot() {
      boots += 1
    },
  }
}
