/**
 * Directories of the in-memory disk. Programs see every change at once; what survives a crash is what
 * `sync` of a directory made durable, and each other change by chance (`spec/simulation.md` §5).
 */
import { basename, dirname, join } from 'node:path'
import { DiskError, type Random } from '../runtime/ports.ts'
import { FileContent, fate } from './memory-file.ts'

export interface FileNode {
  readonly kind: 'file'
  readonly content: FileContent
  mtimeMs: number
}
export interface SymlinkNode {
  readonly kind: 'symlink'
  readonly target: string
  readonly mtimeMs: number
}
export interface DirectoryNode {
  readonly kind: 'directory'
  entries: Map<string, Node>
  durable: Map<string, Node>
  mtimeMs: number
}
export type Node = FileNode | SymlinkNode | DirectoryNode

/** One call's changes of entries: as in a journalling file system, all or none of them survive. */
type Transaction = ReadonlyArray<{
  readonly directory: DirectoryNode
  readonly name: string
  readonly node: Node | undefined
}>

const symlinksMax = 40

export class MemoryTree {
  readonly #root: DirectoryNode = newDirectory(0)
  #unsynced: Transaction[] = []

  /** The node at `path`, or undefined; symbolic links on the way are followed, the last if asked. */
  find(path: string, followLast: boolean): Node | undefined {
    return this.#walk(path, followLast, 0)
  }

  /** @throws DiskError NOT_FOUND, NOT_A_DIRECTORY */
  directory(path: string): DirectoryNode {
    const node = this.#walk(path, true, 0)
    if (node === undefined) throw new DiskError('NOT_FOUND', path, `no such directory: ${path}`)
    if (node.kind === 'directory') return node
    throw new DiskError('NOT_A_DIRECTORY', path, `not a directory: ${path}`)
  }

  /** @throws DiskError NOT_FOUND, IO if it is a directory */
  file(path: string): FileNode {
    const node = this.#walk(path, true, 0)
    if (node === undefined) throw new DiskError('NOT_FOUND', path, `no such file: ${path}`)
    if (node.kind === 'file') return node
    throw new DiskError('IO', path, `is a directory: ${path}`)
  }

  /** Where a file that is opened for writing would be created: behind symbolic links. */
  createFile(path: string, nowMs: number): FileNode {
    let place = path
    for (let hops = 0; hops <= symlinksMax; hops += 1) {
      const node = this.#walk(place, false, 0)
      if (node?.kind !== 'symlink') break
      place = join(dirname(place), node.target)
      if (node.target.startsWith('/')) place = node.target
    }
    const file: FileNode = { kind: 'file', content: new FileContent(), mtimeMs: nowMs }
    this.link(place, file, nowMs)
    return file
  }

  /** Puts a node at `path`; what was there is gone. */
  link(path: string, node: Node, nowMs: number): void {
    const directory = this.directory(dirname(path))
    this.#change([{ directory, name: basename(path), node }], nowMs)
  }

  unlink(path: string, nowMs: number): void {
    const directory = this.directory(dirname(path))
    this.#change([{ directory, name: basename(path), node: undefined }], nowMs)
  }

  /** Moves an entry, and returns the node that it replaced. */
  rename(from: string, to: string, nowMs: number): Node | undefined {
    const source = this.directory(dirname(from))
    const target = this.directory(dirname(to))
    const node = source.entries.get(basename(from))
    if (node === undefined) throw new DiskError('NOT_FOUND', from, `no such file: ${from}`)
    const replaced = target.entries.get(basename(to))
    if (replaced === node) return undefined
    if (replaced !== undefined) requireReplaceable(replaced, node, to)
    this.#change(
      [
        { directory: source, name: basename(from), node: undefined },
        { directory: target, name: basename(to), node },
      ],
      nowMs,
    )
    return replaced
  }

  /** Makes the entries of a directory durable, with whatever earlier changes they build upon. */
  sync(path: string): void {
    const touched = new Set([this.directory(path)])
    const kept: Transaction[] = []
    const applied: Transaction[] = []
    for (const transaction of this.#unsynced.toReversed()) {
      const needed = transaction.some((change) => touched.has(change.directory))
      if (needed) for (const change of transaction) touched.add(change.directory)
      ;(needed ? applied : kept).push(transaction)
    }
    for (const transaction of applied.toReversed()) applyDurably(transaction)
    this.#unsynced = kept.toReversed()
  }

  /** The host dies: unsynced changes of entries and of contents survive or not. */
  crash(random: Random): void {
    const survives = fate(random, this.#unsynced)
    for (const transaction of this.#unsynced) if (survives(transaction)) applyDurably(transaction)
    this.#unsynced = []
    crashNode(this.#root, random, new Set())
  }

  #change(transaction: Transaction, nowMs: number): void {
    for (const { directory, name, node } of transaction) {
      set(directory.entries, name, node)
      directory.mtimeMs = nowMs
    }
    this.#unsynced.push(transaction)
  }

  #walk(path: string, followLast: boolean, hops: number): Node | undefined {
    if (hops > symlinksMax) throw new DiskError('IO', path, `too many symbolic links: ${path}`)
    const names = path.split('/').filter((name) => name !== '' && name !== '.')
    let node: Node = this.#root
    for (const [index, name] of names.entries()) {
      if (node.kind !== 'directory')
        throw new DiskError('NOT_A_DIRECTORY', path, `not a directory: a parent of ${path}`)
      const next: Node | undefined = node.entries.get(name)
      const last = index === names.length - 1
      if (next === undefined) return undefined
      if (next.kind === 'symlink' && (!last || followLast)) {
        const parent = `/${names.slice(0, index).join('/')}`
        const base = next.target.startsWith('/') ? next.target : join(parent, next.target)
        return this.#walk(join(base, ...names.slice(index + 1)), followLast, hops + 1)
      }
      node = next
    }
    return node
  }
}

export function newDirectory(nowMs: number): DirectoryNode {
  return { kind: 'directory', entries: new Map(), durable: new Map(), mtimeMs: nowMs }
}

/** A directory replaces only an empty directory, and anything else only what is no directory. */
function requireReplaceable(replaced: Node, by: Node, path: string): void {
  if (replaced.kind === 'directory') {
    if (by.kind !== 'directory') throw new DiskError('IO', path, `is a directory: ${path}`)
    if (replaced.entries.size > 0) throw new DiskError('NOT_EMPTY', path, `not empty: ${path}`)
  } else if (by.kind === 'directory') {
    throw new DiskError('NOT_A_DIRECTORY', path, `not a directory: ${path}`)
  }
}

function applyDurably(transaction: Transaction): void {
  for (const { directory, name, node } of transaction) set(directory.durable, name, node)
}

function set(entries: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) entries.delete(name)
  else entries.set(name, node)
}

function crashNode(node: Node, random: Random, seen: Set<Node>): void {
  // A rename that survived only in part of its history can leave two entries for one node.
  if (seen.has(node)) return
  seen.add(node)
  if (node.kind === 'file') node.content.crash(random)
  if (node.kind !== 'directory') return
  node.entries = new Map(node.durable)
  for (const name of [...node.entries.keys()].sort())
    crashNode(node.entries.get(name)!, random, seen)
}
