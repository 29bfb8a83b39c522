/** Facts of this machine. */
import { readFile } from 'node:fs/promises'
import { availableParallelism, hostname, totalmem } from 'node:os'
import type { Host } from '../ports.ts'

/** This machine behind the `Host` port. */
export const systemHost: Host = {
  hostname: hostname(),
  cpus: () => availableParallelism(),
  memory: () => totalmem(),
  bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
  env: () => process.env,
}
