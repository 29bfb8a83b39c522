/**
 * An agent's resources: what its flags say, and for the names they leave out what was detected on the
 * host. Pure: whoever calls it has measured. Spec: resources.md §2.2, "Auto-detected defaults".
 */
import type { Resource } from '../../protocol/v1/resources.ts'
import { type Resources, resources } from './collection.ts'

/** What was measured on the host; absent where it could not be. */
export interface Detected {
  /** Logical processors. */
  readonly cpus?: number
  readonly memoryMb?: number
  /** Size of the file system that holds the work directory. */
  readonly diskMb?: number
  /** As counted by whatever manages them; flags cannot say more or fewer. */
  readonly gpus?: number
}

/** Left to the operating system and the agent itself. */
const MEMORY_KEPT_MB = 1024
const DISK_KEPT_MB = 5 * 1024

/** `given` is the list that `parseResources` returned: a name given with 0 counts as given. */
export function agentResources(given: readonly Resource[], detected: Detected): Resources {
  const names = new Set(given.map((resource) => resource.name))
  const found = detectedResources(detected).filter((resource) => !names.has(resource.name))
  const gpus = detected.gpus ?? 0
  return resources([
    ...given.filter((resource) => resource.name !== 'gpus'),
    ...found,
    ...(gpus > 0 ? [scalar('gpus', gpus)] : []),
  ])
}

/** What an agent offers when its flags say nothing: cpus, mem, disk, ports. */
export function detectedResources(detected: Detected): Resource[] {
  const { cpus = 1, memoryMb, diskMb } = detected
  return [
    scalar('cpus', cpus),
    scalar('mem', memoryMb === undefined ? 1024 : afterKeeping(memoryMb, MEMORY_KEPT_MB)),
    scalar('disk', diskMb === undefined ? 10_240 : afterKeeping(diskMb, DISK_KEPT_MB)),
    { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 31_000, end: 32_000 }] } },
  ]
}

/** Whole MB of `totalMb` without `keptMb`, or half of it where little would be left. */
function afterKeeping(totalMb: number, keptMb: number): number {
  return Math.floor(totalMb >= 2 * keptMb ? totalMb - keptMb : totalMb / 2)
}

function scalar(name: string, value: number): Resource {
  return { name, type: 'SCALAR', scalar: { value } }
}
