/**
 * Persistent volumes as directories: where they are, how they come and go, and how tasks see them. A
 * volume is there exactly while the agent's resources say so (agent.md §15 invariant 6); tasks, being
 * plain processes, see it as a symbolic link in their sandbox. Spec: agent.md §3, §8; resources.md §3.3.
 */
import { posix } from 'node:path'
import type { Resource } from '../../protocol/v1/resources.ts'
import { isPersistentVolume, reservationRole } from '../../src/resources/index.ts'
import { type Disk, DiskError } from '../../src/runtime/index.ts'

/** The directory of a volume. */
export interface VolumePlace {
  readonly path: string
  /** It is the root of a file system of its own, which stays when the volume goes. */
  readonly mounted: boolean
}

/** Where a volume is kept. Roles hold no blanks, so one stands for each `/` of theirs. */
export function placeOf(workDir: string, volume: Resource): VolumePlace {
  const { persistence, source } = volume.disk ?? {}
  if (source?.type === 'MOUNT') {
    return { path: posix.resolve(workDir, source.mount?.root ?? ''), mounted: true }
  }
  const role = reservationRole(volume).replaceAll('/', ' ')
  const below = `volumes/roles/${role}/${persistence?.id ?? ''}`
  return { path: posix.resolve(workDir, source?.path?.root ?? '', below), mounted: false }
}

/** Why a volume cannot be a directory, or undefined. */
export function volumeProblem({ disk, provider_id }: Resource): string | undefined {
  if (provider_id !== undefined) return 'the agent has no resource providers'
  const { source } = disk ?? {}
  if (source === undefined || source.type === 'PATH') return undefined
  if (source.type !== 'MOUNT') return `a volume cannot be made of a ${source.type} disk`
  return source.mount?.root === undefined ? 'the MOUNT disk names no root' : undefined
}

/** Volumes to remove, then volumes to make. Both may be done again after a crash. */
export interface VolumeChanges {
  readonly remove: readonly VolumePlace[]
  readonly make: readonly VolumePlace[]
}

/** What lies between a volume's directory and the one that it is kept in: role, `roles`, `volumes`. */
const PARENTS = 4

/** @throws DiskError: some of it may be done; all of it is to be done again */
export async function changeVolumes(disk: Disk, { remove, make }: VolumeChanges): Promise<void> {
  for (const { path, mounted } of remove) {
    if (mounted) await empty(disk, path)
    else await disk.removeTree(path)
    // Else a power failure may bring back, to whoever makes a volume of this name, what was in it.
    const changed = mounted ? path : posix.dirname(path)
    if ((await disk.stat(changed)) !== undefined) await disk.syncDirectory(changed)
  }
  for (const { path, mounted } of make) {
    if (mounted) continue
    await disk.makeDirectory(path)
    // Whichever of the parents is new must outlive the host, too.
    let parent = path
    for (let level = 0; level < PARENTS; level++) {
      parent = posix.dirname(parent)
      await disk.syncDirectory(parent)
    }
  }
}

async function empty(disk: Disk, path: string): Promise<void> {
  if ((await disk.stat(path)) === undefined) return
  for (const name of await disk.list(path)) await disk.removeTree(`${path}/${name}`)
}

/** Why a task cannot see its volumes, or undefined. */
export function containerPathProblem(list: readonly Resource[] = []): string | undefined {
  for (const { disk } of list.filter(isPersistentVolume)) {
    const path = disk?.volume?.container_path ?? ''
    const where = `container_path '${path}' of the volume '${disk?.persistence?.id}'`
    if (posix.isAbsolute(path)) {
      return `${where} must be relative to the sandbox: tasks of this agent share the host's root`
    }
    const normal = posix.normalize(path)
    if (normal === '.' || normal.split('/').includes('..')) {
      return `${where} must lead into the sandbox`
    }
  }
  return undefined
}

/** Shows volumes in a sandbox. Where the task has put something of its own, that stays. */
export async function linkVolumes(
  disk: Disk,
  workDir: string,
  sandbox: string,
  list: readonly Resource[],
): Promise<void> {
  for (const volume of list.filter(isPersistentVolume)) {
    const link = posix.join(sandbox, volume.disk?.volume?.container_path ?? '')
    await disk.makeDirectory(posix.dirname(link))
    try {
      await disk.symlink(placeOf(workDir, volume).path, link)
    } catch (error) {
      // A former task of the same executor had the volume there.
      if (!(error instanceof DiskError && error.code === 'EXISTS')) throw error
    }
  }
}
