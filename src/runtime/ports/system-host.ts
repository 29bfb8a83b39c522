/** Facts of this machine. */
import { readFile } from 'node:fs/promises'
import { availableParallelism, hostname, networkInterfaces, totalmem } from 'node:os'
import type { Host } from '../ports.ts'

/** This machine behind the `Host` port. */
export const systemHost: Host = {
  hostname: hostname(),
  ip() {
    const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
    const reachable = addresses.filter(({ internal }) => !internal)
    const best = reachable.find(({ family }) => family === 'IPv4') ?? reachable[0]
    return best?.address ?? '127.0.0.1'
  },
  cpus: () => availableParallelism(),
  memory: () => totalmem(),
  bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
  env: () => process.env,
}
