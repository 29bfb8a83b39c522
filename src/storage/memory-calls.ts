/**
 * How calls to the in-memory disk take time, fail, and die with their process
 * (`spec/simulation.md` §5, §6).
 */
import { type Clock, DiskError } from '../runtime/ports.ts'
import { requireAbsolute } from './disk.ts'

/** A call, as fault plans see it. */
export type DiskOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'syncDirectory'
  | 'rename'
  | 'unlink'
  | 'list'
  | 'stat'
  | 'makeDirectory'
  | 'removeTree'
  | 'symlink'

export interface DiskFaults {
  /** Asked before each call; a code makes it fail. A failing `sync` leaves its pages marked clean. */
  readonly fail?: (operation: DiskOperation, path: string) => 'IO' | 'NO_SPACE' | undefined
  /** How long a call takes, in ms. Absent or 0: it answers in the same turn. */
  readonly latencyMs?: (operation: DiskOperation, path: string) => number
}

const never = (): Promise<never> => new Promise(() => undefined)

export class DiskCalls {
  readonly #clock: Clock
  #faults: DiskFaults = {}
  #incarnation = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Counts the processes that have used the disk; each handle belongs to one. */
  get incarnation(): number {
    return this.#incarnation
  }

  setFaults(faults: DiskFaults): void {
    this.#faults = faults
  }

  /** The process dies: no call of it that is under way goes on or answers. */
  endProcess(): void {
    this.#incarnation += 1
  }

  /**
   * Makes one call. Half of its latency passes before the effect and half after, so that a process can
   * die at both points.
   */
  async run<T>(
    operation: DiskOperation,
    path: string,
    effect: () => T,
    onFault?: () => void,
    incarnation = this.#incarnation,
  ): Promise<T> {
    requireAbsolute(path)
    const latencyMs = this.#faults.latencyMs?.(operation, path) ?? 0
    if (latencyMs > 0) await this.#pass(latencyMs / 2)
    if (incarnation !== this.#incarnation) return never()
    this.requireLuck(operation, path, onFault)
    const result = effect()
    if (latencyMs > 0) await this.#pass(latencyMs / 2)
    return incarnation === this.#incarnation ? result : never()
  }

  /** @throws DiskError as the faults in force say */
  requireLuck(operation: DiskOperation, path: string, onFault?: () => void): void {
    const code = this.#faults.fail?.(operation, path)
    if (code === undefined) return
    onFault?.()
    throw new DiskError(code, path, `injected fault: ${operation} ${path}`)
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimeout(resolve, ms))
  }
}
