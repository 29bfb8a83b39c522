/** What the registrar holds. */
import type { Pid } from '../../src/runtime/index.ts'
import { type Contents, emptyContents } from './registry.ts'

export interface RegistrarState {
  readonly replica: Pid
  readonly writer: Pid
  /** The same as in the log, except for what is being written. */
  contents: Contents
  /** A master has recovered. */
  ready: boolean
  /** The master that recovered last, exactly. */
  master: Pid | undefined
  /** Records in the entries of the log. */
  written: number
  shortening: boolean
}

/** Longer than the writer waits for a quorum: it is the one that knows why there is none. */
export const APPEND_TIMEOUT_MS = 30_000

export function newState(args: { readonly replica: Pid; readonly writer: Pid }): RegistrarState {
  return {
    ...args,
    contents: emptyContents(),
    ready: false,
    master: undefined,
    written: 0,
    shortening: false,
  }
}
