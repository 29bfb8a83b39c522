/**
 * Files of sandboxes for operators: nothing outside the directory of one executor's runs, whatever `..`
 * and symbolic links say. Every step of a path is looked at before it is followed; what a task changes
 * between that look and the reading is beyond this check, as the port has no `openat`.
 * Spec: executor-api.md §14, operator-api.md §D.
 */
import { posix } from 'node:path'
import { type Failure, fail } from '../../protocol/errors.ts'
import { readFileBytesMax } from '../../protocol/operator.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { FileInfo } from '../../protocol/v1/state.ts'
import { type Disk, DiskError } from '../../src/runtime/index.ts'

/** Links that one path may lead through. */
const linksMax = 40
/** Entries that one listing gives. */
const entriesMax = 10_000

/**
 * Where a path of an operator leads, within `root` (`<work_dir>/slaves/<agent>`). It is absolute, or the
 * virtual `/frameworks/F/executors/E/runs/...`.
 */
export async function resolve(
  disk: Disk,
  root: string,
  path: string,
): Promise<Result<string, Failure>> {
  const notFound = fail('NOT_FOUND', { kind: 'file', id: path })
  const asked = posix.normalize(path.startsWith('/frameworks/') ? `${root}${path}` : path)
  const runs = runsOf(root, asked)
  if (runs === undefined || path.includes('\0')) return notFound
  let resolved: string = runs
  let waiting = asked.slice(runs.length).split('/').filter(Boolean)
  for (let links = 0; waiting.length > 0; ) {
    const [name = '', ...rest] = waiting
    const next = posix.normalize(`${resolved}/${name}`)
    if (!isWithin(next, runs)) return notFound
    const stat = await disk.stat(next)
    if (stat === undefined) return notFound
    waiting = rest
    if (stat.kind !== 'symlink') {
      resolved = next
      continue
    }
    if (++links > linksMax) return notFound
    const target = await disk.readlink(next)
    const to = posix.resolve(resolved, target)
    if (!isWithin(to, runs)) return notFound
    waiting = [...to.slice(runs.length).split('/').filter(Boolean), ...rest]
    resolved = runs
  }
  return ok(resolved)
}

/** The directory `.../executors/E/runs` that a normal path lies in. */
function runsOf(root: string, path: string): string | undefined {
  if (!isWithin(path, root)) return undefined
  const [frameworks, framework, executors, executor, runs] = path.slice(root.length + 1).split('/')
  if (frameworks !== 'frameworks' || executors !== 'executors' || runs !== 'runs') return undefined
  return `${root}/frameworks/${framework}/executors/${executor}/runs`
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`)
}

/** Entries of a directory, by name. */
export async function listFiles(
  disk: Disk,
  root: string,
  path: string,
): Promise<Result<FileInfo[], Failure>> {
  return attempt(path, async () => {
    const resolved = await resolve(disk, root, path)
    if (!resolved.ok) return resolved
    const names = (await disk.list(resolved.value)).slice(0, entriesMax)
    const infos = await Promise.all(
      names.map(async (name) =>
        describe(disk, `${resolved.value}/${name}`, posix.join(path, name)),
      ),
    )
    return ok(infos.flatMap((info) => info ?? []))
  })
}

const kinds = { file: 0o100644, directory: 0o040755, symlink: 0o120777, other: 0 } as const

async function describe(disk: Disk, place: string, path: string): Promise<FileInfo | undefined> {
  const stat = await disk.stat(place)
  if (stat === undefined) return undefined
  return {
    path,
    nlink: 1,
    size: stat.size,
    mtime: { nanoseconds: Math.round(stat.mtimeMs) * 1_000_000 },
    mode: kinds[stat.kind],
  }
}

export interface FilePart {
  /** Of the whole file, in bytes. */
  readonly size: number
  readonly data: Uint8Array
}

/** At most `readFileBytesMax` bytes from `offset` on; none behind the end. */
export async function readFile(
  disk: Disk,
  root: string,
  request: { readonly path: string; readonly offset: number; readonly length?: number },
): Promise<Result<FilePart, Failure>> {
  const { path, offset, length = readFileBytesMax } = request
  return attempt(path, async () => {
    const resolved = await resolve(disk, root, path)
    if (!resolved.ok) return resolved
    if ((await disk.stat(resolved.value))?.kind !== 'file') {
      return fail('NOT_FOUND', { kind: 'file', id: path })
    }
    const file = await disk.open(resolved.value, 'read')
    try {
      const size = await file.size()
      const wanted = Math.max(0, Math.min(length, readFileBytesMax, size - offset))
      const data = wanted === 0 ? new Uint8Array(0) : await file.read(offset, wanted)
      return ok({ size, data })
    } finally {
      await file.close()
    }
  })
}

/** What is wrong with a file is the operator's to know; anything else is a fault of ours. */
async function attempt<T>(
  path: string,
  work: () => Promise<Result<T, Failure>>,
): Promise<Result<T, Failure>> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
    return fail('NOT_FOUND', { kind: 'file', id: path })
  }
}
