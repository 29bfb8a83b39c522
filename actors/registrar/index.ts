/**
 * The registrar: keeps what must survive every master, in a store on its own disk. Supervised together
 * with its master; when it is lost, both start anew from what is durable.
 *
 * Nothing is answered before it is durable. Operations are applied in the order of their arrival; those
 * that arrive while a write is under way share the next one (the store joins them). Only the master that
 * recovered last may change anything. Spec: replicated-log.md §11, master.md §2-3.
 */
import { failure } from '../../protocol/errors.ts'
import { type RegistryOperation, registrarMessages } from '../../protocol/registrar.ts'
import {
  type ChildSpec,
  type Context,
  child,
  DiskError,
  type Pid,
  type ReplyTo,
  type Store,
  table,
} from '../../src/runtime/index.ts'
import { epochOperation, readContents, toOperation } from './records.ts'
import { apply, type Contents, toRegistry } from './registry.ts'

export interface RegistrarOptions {
  /** Directory of the store; absolute. */
  readonly path: string
}

interface State {
  readonly path: string
  store: Store | undefined
  /** Known once a master has recovered. */
  contents: Contents | undefined
  /** The master that recovered last, exactly. */
  master: Pid | undefined
}

/** Between attempts to open a store that the former registrar is still closing. */
const REOPEN_MS = 100
const REOPEN_ATTEMPTS_MAX = 100

/** The child spec of a registrar, called `registrar`. */
export function registrar(options: RegistrarOptions): ChildSpec {
  return child({ id: 'registrar', behaviour, args: options, restart: 'permanent' })
}

const behaviour = table<State, typeof registrarMessages, RegistrarOptions>({
  label: 'registrar',
  messages: registrarMessages,
  init: ({ path }) => ({ path, store: undefined, contents: undefined, master: undefined }),
  handlers: {
    RECOVER_REGISTRY(state, _body, cx) {
      const held = cx.hold()
      const { from } = cx
      state.master = from
      withStore(state, cx, 1, (store) => recover(state, store, from, held, cx))
    },

    APPLY_REGISTRY(state, { operations }, cx) {
      const { store, contents } = state
      if (store === undefined || contents === undefined || cx.from !== state.master) {
        cx.refuse(failure('NOT_LEADING'))
        return
      }
      commit(state, store, contents, operations, cx)
    },
  },
})

/** Calls `then` with the open store. The store is closed when this actor ends, in whatever way. */
function withStore(state: State, cx: Context, attempt: number, then: (store: Store) => void): void {
  if (state.store !== undefined) {
    then(state.store)
    return
  }
  const open = async (signal: AbortSignal) => {
    const store = await cx.ports.storage.open(state.path)
    const close = () => void store.close().catch(() => undefined)
    if (signal.aborted) close()
    else signal.addEventListener('abort', close)
    return store
  }
  cx.job(open, (outcome) => {
    if (outcome.ok) {
      state.store = outcome.value
      then(outcome.value)
    } else if (attempt < REOPEN_ATTEMPTS_MAX && isHeld(outcome.error)) {
      cx.after('open again', REOPEN_MS, () => withStore(state, cx, attempt + 1, then))
    } else {
      throw new Error(`the registry at ${state.path} cannot be opened`, { cause: outcome.error })
    }
  })
}

function isHeld(error: Error): boolean {
  return error instanceof DiskError && error.code === 'EXISTS'
}

/** Loads the registry and begins an epoch. */
function recover(
  state: State,
  store: Store,
  master: Pid,
  held: ReplyTo | undefined,
  cx: Context,
): void {
  const load = async () => {
    const read = await readContents(store)
    if (!read.ok) return read
    read.value.epoch += 1
    await store.commit([epochOperation(read.value.epoch)])
    return read
  }
  cx.job(load, (outcome) => {
    if (!outcome.ok) throw new Error('the registry cannot be read', { cause: outcome.error })
    const { value: read } = outcome
    if (!read.ok) {
      cx.deny(held, failure('STORAGE_FAILED', { path: state.path, reason: read.error }))
      return
    }
    if (state.master !== master) {
      cx.deny(held, failure('NOT_LEADING'))
      return
    }
    state.contents = read.value
    cx.answer(held, toRegistry(read.value))
  })
}

function commit(
  state: State,
  store: Store,
  contents: Contents,
  operations: readonly RegistryOperation[],
  cx: Context,
): void {
  const held = cx.hold()
  const changes = operations.map((operation) => apply(contents, operation))
  const applied = changes.map((each) => each.length > 0)
  const writes = changes.flat().map(toOperation)
  cx.job(
    // Even where nothing is to be written: the answer may rest on a write that is still under way.
    () => store.commit(writes),
    (outcome) => {
      // What is in memory is ahead of the disk now: this registrar and its master must start anew.
      if (!outcome.ok) {
        throw new Error(`the registry at ${state.path} cannot be written`, { cause: outcome.error })
      }
      cx.answer(held, { applied })
    },
  )
}
