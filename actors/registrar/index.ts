/**
 * The registrar: keeps what must survive every master, in the replicated log. Only the one whose epoch was
 * elected can write there, so no two masters ever change the registry. Supervised together with its master;
 * when it is lost, both start anew from what is in the log.
 *
 * Nothing is answered before it is chosen. Operations are applied in the order of their arrival; the log
 * joins what arrives while a write is under way. A write that fails ends the registrar: it may or may not
 * be in the log, and only another election can tell. Spec: replicated-log.md §11, master.md §2-3.
 */
import { failure } from '../../protocol/errors.ts'
import { Append, Positions, Read } from '../../protocol/log.ts'
import { registrarMessages } from '../../protocol/registrar.ts'
import {
  type ChildSpec,
  type Context,
  child,
  type Pid,
  pid,
  type ReplyTo,
  table,
} from '../../src/runtime/index.ts'
import { capabilityProblem, settleCapabilities } from './capabilities.ts'
import { shorten } from './compaction.ts'
import { encodeEntry, type Problems, readEntry } from './records.ts'
import { apply, type Change, emptyContents, toRegistry } from './registry.ts'
import { APPEND_TIMEOUT_MS, newState, type RegistrarState } from './state.ts'

export interface RegistrarOptions {
  readonly node: string
  /** Id of the log; its replica and writer are on the same node. Default `log`. */
  readonly log?: string
}

/** A request for a part of the log, on the same node. */
const READ_TIMEOUT_MS = 30_000

/** The child spec of a registrar, called `registrar`. */
export function registrar({ node, log = 'log' }: RegistrarOptions): ChildSpec {
  const args = { replica: pid(log, node), writer: pid(`${log}-writer`, node) }
  return child({ id: 'registrar', behaviour, args, restart: 'permanent' })
}

const behaviour = table<
  RegistrarState,
  typeof registrarMessages,
  { readonly replica: Pid; readonly writer: Pid }
>({
  label: 'registrar',
  messages: registrarMessages,
  init: newState,
  handlers: {
    RECOVER_REGISTRY(state, { epoch, position }, cx) {
      const held = cx.hold()
      state.master = cx.from
      state.ready = false
      state.contents = emptyContents()
      state.written = 0
      const problems: Problems = new Map()
      cx.ask(state.replica, Positions, {}, {}, (outcome) => {
        if (!outcome.ok) throw new Error(`the log cannot be read: ${outcome.error.message}`)
        read(state, problems, outcome.value.begin, position, cx, () => {
          // First: whoever lacks a capability need not understand the records.
          const missing = capabilityProblem(state.contents)
          if (missing !== undefined) {
            cx.deny(held, missing)
            return
          }
          refuseProblems(problems)
          begin(state, epoch, held, cx)
        })
      })
    },

    APPLY_REGISTRY(state, { operations }, cx) {
      if (!state.ready || cx.from !== state.master) {
        cx.refuse(failure('NOT_LEADING'))
        return
      }
      const held = cx.hold()
      const changes = operations.map((operation) => apply(state.contents, operation))
      const applied = changes.map((each) => each.length > 0)
      // Even where nothing is to be written: the answer may rest on a write that is still under way.
      const all = [...changes.flat(), ...settleCapabilities(state.contents)]
      append(state, all, cx, () => cx.answer(held, { applied }))
      shorten(state, cx)
    },
  },
})

/** Reads the entries of a range (`to` included), in parts. */
function read(
  state: RegistrarState,
  problems: Problems,
  from: number,
  to: number,
  cx: Context,
  then: () => void,
): void {
  if (from > to) {
    then()
    return
  }
  cx.ask(state.replica, Read, { from, to }, { timeoutMs: READ_TIMEOUT_MS }, (outcome) => {
    if (!outcome.ok) throw new Error(`the log cannot be read: ${outcome.error.message}`)
    const { entries, next } = outcome.value
    for (const { position, data } of entries) {
      const records = readEntry(state.contents, data, problems)
      if (!records.ok) throw new Error(`entry ${position} of the registry ${records.error}`)
      state.written += records.value
    }
    read(state, problems, next, to, cx, then)
  })
}

/**
 * What is not understood must stop the cluster: a registry that forgets agents would let their ids be given
 * out again.
 * @throws Error that names the first record
 */
function refuseProblems(problems: Problems): void {
  for (const [key, problem] of problems) {
    throw new Error(`the record ${JSON.stringify(key)} of the registry ${problem}`)
  }
}

/**
 * The first write of an epoch proves that nobody else writes. It also records what a registry of a version
 * without minimum capabilities needs.
 */
function begin(state: RegistrarState, epoch: number, held: ReplyTo | undefined, cx: Context): void {
  state.contents.epoch = epoch
  append(state, settleCapabilities(state.contents), cx, () => {
    state.ready = true
    cx.answer(held, toRegistry(state.contents))
  })
}

function append(
  state: RegistrarState,
  changes: readonly Change[],
  cx: Context,
  then: () => void,
): void {
  const { epoch } = state.contents
  state.written += changes.length
  const body = { epoch, data: encodeEntry(epoch, changes) }
  cx.ask(state.writer, Append, body, { timeoutMs: APPEND_TIMEOUT_MS }, (outcome) => {
    // What is in memory may be ahead of the log now: this registrar and its master must start anew.
    if (!outcome.ok) throw new Error(`the registry is not written: ${outcome.error.message}`)
    then()
  })
}
