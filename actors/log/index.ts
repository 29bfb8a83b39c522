/**
 * A replicated log (replicated-log.md): a replica and a writer on each node that is named. Other actors use
 * it by the messages of `protocol/log.ts`:
 *
 *     log@<node>          READ, POSITIONS, CATCH_UP
 *     log-writer@<node>   ELECT -> {epoch}, APPEND, TRUNCATE, RESIGN; the owner may get DEMOTED
 *
 * @example
 * children: [log({ path: '/var/lib/meseta/log', node: 'a', replicas: ['a', 'b', 'c'] })]
 */
import { MesetaError } from '../../protocol/errors.ts'
import { replicaMessages } from '../../protocol/log.ts'
import { type ChildSpec, child, statechart, supervisor } from '../../src/runtime/index.ts'
import { catchingUp } from './catching-up.ts'
import { leasing } from './leasing.ts'
import { lifecycle } from './machine.ts'
import { ensembleOf } from './quorum.ts'
import { reading } from './reading.ts'
import { recovering } from './recovering.ts'
import { returning } from './returning.ts'
import type { LogArgs, ReplicaState } from './state.ts'
import { voting } from './voting.ts'
import { writer } from './writer.ts'

export { logOptions, logSettings } from './settings.ts'

export interface LogOptions {
  /** Directory of the replica's store; absolute. */
  readonly path: string
  /** The node that this runs on; one of `replicas`. */
  readonly node: string
  /** All nodes with a replica, the same list on each. Never changes while the log lives. */
  readonly replicas: readonly string[]
  /** Default: the smallest majority. */
  readonly quorum?: number
  /** Default `log`. Logs of different ids have nothing in common but the nodes. */
  readonly id?: string
  /**
   * Default true: when all replicas are there and none has ever held anything, a new log begins by
   * itself. If all disks may be lost at once, false: an operator then says INITIALIZE to each.
   */
  readonly autoInitialize?: boolean
  /**
   * The longest lease that a replica grants with its promise, ms, the same on each node. Default 0: none,
   * so that whoever asks last writes.
   */
  readonly leaseMs?: number
}

/**
 * The child spec of a node's part of a log.
 * @throws MesetaError USAGE saying what is wrong with the replicas or the quorum
 */
export function log(options: LogOptions): ChildSpec {
  const { path, node, id = 'log', autoInitialize = true, leaseMs = 0 } = options
  const ensemble = ensembleOf(options.replicas, options.quorum)
  if (!ensemble.replicas.includes(node)) {
    const names = ensemble.replicas.join(', ')
    const problem = `log: replicas: this node, ${node}, is not among ${names}`
    throw new MesetaError('USAGE', { problem })
  }
  const args: LogArgs = { id, node, path, ensemble, autoInitialize, leaseMs }
  return supervisor(`${id}-supervisor`, [replica(args), writer(args)], {
    // Neither needs the other's state: a writer notices the loss of its replica by its answers.
    strategy: 'one_for_one',
    intensity: 10,
    periodMs: 10_000,
  })
}

function replica(args: LogArgs): ChildSpec {
  return child({
    id: args.id,
    behaviour,
    args,
    restart: 'permanent',
    // A store that cannot be read is looked at again and again, and its supervisor lives on.
    backoff: { minMs: 200, maxMs: 10_000 },
  })
}

const behaviour = statechart<ReplicaState, typeof replicaMessages, LogArgs>({
  label: 'log replica',
  messages: replicaMessages,
  machine: lifecycle,
  handlers: { ...voting, ...leasing, ...recovering, ...returning, ...catchingUp, ...reading },
})
