/** The beginning of a replica's life: it opens its store and reads all of it. Its status then says how to go on. */
import { err, type Result } from '../../protocol/result.ts'
import { type Context, DiskError } from '../../src/runtime/index.ts'
import { isCorrupt, SealedStore } from '../../src/storage/sealed-store.ts'
import { waitForForgotten } from './leasing.ts'
import { PositionSeals } from './position-seals.ts'
import { condemnation, type Loaded, load as loadStore, ownerOf } from './records.ts'
import { emptyReplica } from './replica.ts'
import { type ReplicaState, timing } from './state.ts'

const REOPEN_ATTEMPTS_MAX = 100

/** Raises the replica's status as an event when it is known. */
export function load(state: ReplicaState, cx: Context, attempt = 1): void {
  const { path, node } = state.args
  const read = async (signal: AbortSignal) => {
    const store = new SealedStore(await cx.ports.storage.open(path), path, new PositionSeals())
    // The store is closed when this actor ends, in whatever way.
    const close = () => void store.close().catch(() => undefined)
    if (signal.aborted) close()
    else signal.addEventListener('abort', close)
    const loaded = await readAll(store, state)
    if (!loaded.ok) await store.commit([condemnation(node)])
    return { store, loaded }
  }
  cx.job(read, (outcome) => {
    if (!outcome.ok) {
      // The former incarnation of this actor may still be closing it.
      if (!isHeld(outcome.error) || attempt >= REOPEN_ATTEMPTS_MAX) {
        const { message } = outcome.error
        throw new Error(`the log cannot be read: ${message}`, { cause: outcome.error })
      }
      cx.after('open again', timing.reopenMs, () => load(state, cx, attempt + 1))
      return
    }
    const { store, loaded } = outcome.value
    state.store = store
    if (loaded.ok) {
      state.replica = loaded.value.replica
      state.first = loaded.value.first
      const { replica, args } = state
      if (replica.status === 'VOTING' && args.ensemble.replicas.length > 1) {
        replica.status = 'RETURNING'
      }
      if (state.replica.status !== 'EMPTY') waitForForgotten(state, cx)
    } else {
      const reason = loaded.error
      cx.log('error', 'the log on this disk is corrupt; its replica does not vote', {
        path,
        reason,
      })
      state.replica = emptyReplica(node, 'CORRUPT')
    }
    cx.log('info', 'log replica loaded', { status: state.replica.status, end: state.replica.end })
    cx.raise({ type: state.replica.status })
  })
}

/** The error is a sentence: what stands there is not what was written. */
async function readAll(
  store: SealedStore,
  { args: { path, node } }: ReplicaState,
): Promise<Result<Loaded>> {
  try {
    const owner = await ownerOf(store)
    // Another's votes are not ours, and not ours to take away.
    if (owner === undefined || owner === node) return await loadStore(store, node)
    throw new Error(
      `${path} holds the replica of ${owner}: start ${node} on a directory of its own, or under that name`,
    )
  } catch (error) {
    if (isCorrupt(error)) return err(error.message)
    throw error
  }
}

function isHeld(error: Error): boolean {
  return error instanceof DiskError && error.code === 'EXISTS'
}
