/** A machine that is only a few facts, for tests and simulations. */
import type { Host } from '../ports.ts'

export interface MemoryHostOptions {
  readonly hostname?: string
  readonly ip?: string
  readonly cpus?: number
  /** Bytes. */
  readonly memory?: number
  readonly env?: Readonly<Record<string, string>>
}

export interface MemoryHost extends Host {
  /** The machine starts anew: its boot id changes. Processes and disks are crashed separately. */
  reboot(): void
}

/** Defaults: `host`, an address of documentation (RFC 5737), 4 CPUs, 8 GiB, no environment variables. */
export function memoryHost(options: MemoryHostOptions = {}): MemoryHost {
  const { hostname = 'host', ip = '192.0.2.1', cpus = 4, memory = 8 * 2 ** 30, env = {} } = options
  let boots = 1
  return {
    hostname,
    ip: () => ip,
    cpus: () => cpus,
    memory: () => memory,
    bootId: async () => `boot-${boots}-of-${hostname}`,
    env: () => env,
    reboot() {
      boots += 1
    },
  }
}
