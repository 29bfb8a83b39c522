/** The variables of a state, for programs. Guide: docs/log.md. */
import {
  ExpungeVariable,
  FetchVariable,
  ListVariables,
  StoreVariable,
  type Variable,
} from '../../protocol/state.ts'
import { pid } from '../runtime/index.ts'
import { connectAsker } from './asking.ts'
import { type ClusterOptions, clusterOf } from './connect.ts'
import { CallError } from './driver.ts'

export interface StateConnectOptions extends ClusterOptions {
  /** Nodes with the state, in the order of preference. */
  readonly nodes: readonly string[]
  /** Id of the state. Default `state`. */
  readonly id?: string
  /** Until a node is given up for another, ms. Default 30,000: it may have to be elected first. */
  readonly timeoutMs?: number
}

/** Versions are opaque and new with each change; '' is that of a variable that is not there. */
export interface StateClient {
  fetch(name: string): Promise<Variable>
  /**
   * Changes a variable that still has this version; otherwise nothing is changed, and the present version
   * is told. A CallError LOG_NOT_WRITER or TIMEOUT leaves open whether it was changed: fetch to see.
   */
  store(
    name: string,
    value: Uint8Array,
    version: string,
  ): Promise<{ readonly changed: boolean; readonly version: string }>
  /** As `store`. */
  expunge(
    name: string,
    version: string,
  ): Promise<{ readonly changed: boolean; readonly version: string }>
  /** Sorted. */
  names(prefix?: string): Promise<string[]>
  close(): Promise<void>
}

/** What says that nothing was done there, so that another node may be asked. */
const notServed = new Set(['NO_ACTOR', 'LOG_NOT_ELECTED', 'LOG_LEASED', 'LOG_BUSY'])

/**
 * Connects to a state. Rejects if the broker cannot be reached.
 *
 * @example
 * const state = await connectState({ nodes: ['s1', 's2', 's3'] })
 * const { version } = await state.fetch('offset')
 * await state.store('offset', new TextEncoder().encode('17'), version)
 */
export async function connectState(options: StateConnectOptions): Promise<StateClient> {
  const { nodes, id = 'state', timeoutMs = 30_000 } = options
  const { ports, cluster } = clusterOf(options)
  const { ask, close } = await connectAsker(ports, cluster)
  let preferred = 0

  /** Turns to the next node when one does not serve; a change only if it was certainly not made. */
  async function served<T>(isRead: boolean, request: (node: string) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried++) {
      try {
        return await request(nodes[preferred] ?? '')
      } catch (error) {
        const isSafe = error instanceof CallError && (isRead || notServed.has(error.code))
        if (!isSafe || tried >= nodes.length) throw error
        preferred = (preferred + 1) % nodes.length
      }
    }
  }

  const at = (node: string) => pid(id, node)
  return {
    fetch: (name) => served(true, (node) => ask(at(node), FetchVariable, { name }, timeoutMs)),
    store: (name, value, version) =>
      served(false, (node) => ask(at(node), StoreVariable, { name, value, version }, timeoutMs)),
    expunge: (name, version) =>
      served(false, (node) => ask(at(node), ExpungeVariable, { name, version }, timeoutMs)),
    names: async (prefix = '') =>
      (await served(true, (node) => ask(at(node), ListVariables, { prefix }, timeoutMs))).names,
    close,
  }
}
