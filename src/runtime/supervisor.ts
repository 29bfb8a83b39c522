/**
 * Supervision as in OTP (spec/actors.md §14): children are started in order and stopped in reverse, a dead
 * one is restarted as the strategy says, and one that dies too often takes its supervisor down, whose own
 * supervisor then decides. Beyond OTP: a child may wait before it is restarted (`backoff`); a restart that
 * waited counts like any other. A temporary child is never restarted, not even with its group.
 */
import Type from 'typebox'
import { message } from '../../protocol/message.ts'
import { type Behaviour, type ChildSpec, table } from './behaviour.ts'
import { Cell } from './cell.ts'
import type { Context } from './context.ts'
import { type ExitReason, isOrderly, SHUTDOWN } from './exit.ts'
import { parsePid } from './pid.ts'

/**
 * On the death of a child: `one_for_one` restarts it; `one_for_all` stops all others and restarts all;
 * `rest_for_one` stops those started after it and restarts it and them.
 */
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one'

export interface SupervisorOptions {
  readonly strategy: Strategy
  /** More restarts than this within `periodMs` and the supervisor gives up. Default 1 in 5000. */
  readonly intensity: number
  readonly periodMs: number
}

export const ROOT_ID = 'root'

/** Starts a child under a supervisor on the same node. The spec must be frozen (`Object.freeze`). */
export const StartChild = message(
  'START_CHILD',
  'Start and keep one more child.',
  Type.Unknown(),
  Type.String(),
)
/** Stops a child and forgets it. The answer tells whether there was one. */
export const StopChild = message(
  'STOP_CHILD',
  'Stop a child and forget it.',
  Type.String(),
  Type.Boolean(),
)

const messages = [StartChild, StopChild] as const

interface Child {
  readonly spec: ChildSpec
  cell: Cell | undefined
  restarts: number
  startedMs: number
  /** What it waits for before the next restart, ms; 0 = has not waited yet. */
  backoffMs: number
}

interface State {
  readonly options: SupervisorOptions
  /** In the order of starting. */
  readonly children: Child[]
  /** Monotonic times of recent restarts. */
  readonly restarts: number[]
  /** Children to be stopped, if they live, and started again. */
  readonly group: Set<Child>
}

/** A supervisor of `children`, itself a child of whoever starts it. */
export function supervisor(
  id: string,
  children: readonly ChildSpec[],
  options: Partial<SupervisorOptions> = {},
): ChildSpec {
  const spec: ChildSpec<Args> = {
    id,
    behaviour,
    args: {
      children,
      options: { strategy: 'one_for_one', intensity: 1, periodMs: 5000, ...options },
    },
    restart: 'permanent',
    shutdownMs: Number.POSITIVE_INFINITY,
  }
  return spec as ChildSpec
}

/** The one actor of a node that has no parent. */
export function rootSpec(
  options: Partial<SupervisorOptions>,
  children: readonly ChildSpec[],
): ChildSpec {
  return supervisor(ROOT_ID, children, { intensity: 10, periodMs: 10_000, ...options })
}

interface Args {
  readonly children: readonly ChildSpec[]
  readonly options: SupervisorOptions
}

const behaviour: Behaviour<Args> = table<State, typeof messages, Args>({
  label: 'supervisor',
  messages,
  init({ children, options }, cx) {
    const state: State = { options, children: [], restarts: [], group: new Set() }
    for (const spec of children) {
      const child = newChild(spec)
      state.children.push(child)
      const error = startChild(child, cellOf(cx))
      if (error !== undefined) throw error
    }
    return state
  },
  handlers: {
    START_CHILD(state, spec, cx) {
      if (parsePid(cx.from).node !== cx.node) {
        cx.refuse({ code: 'DENIED', message: 'children are started from their own node only' })
        return
      }
      const child = newChild(spec as ChildSpec)
      const error = startChild(child, cellOf(cx))
      if (error !== undefined) cx.refuse({ code: 'START_FAILED', message: String(error) })
      else {
        state.children.push(child)
        cx.reply(child.cell?.self)
      }
    },
    STOP_CHILD(state, id, cx) {
      const index = state.children.findIndex((child) => child.spec.id === id)
      const [child] = index < 0 ? [] : state.children.splice(index, 1)
      const held = cx.hold()
      cx.cancel(restartTimer(id))
      const { owner } = cellOf(cx)
      // Answered when it is gone, so that its id is free for another.
      const answer = () => owner.call(cellOf(cx), () => cx.answer(held, child !== undefined))
      if (child?.cell === undefined) answer()
      else owner.registry.stop(child.cell, SHUTDOWN, false, answer)
    },
  },
  exited(state, { pid, reason }, cx) {
    const child = state.children.find(({ cell }) => cell?.self === pid)
    if (child === undefined) return
    child.cell = undefined
    const kind = child.spec.restart ?? 'temporary'
    // What its group is about to do, is done for it too.
    if (state.group.has(child)) return
    if (child.spec.significant && kind !== 'permanent' && isOrderly(reason)) {
      if (cellOf(cx).phase === 'active') {
        cx.stop(undefined, { kind: 'shutdown', detail: `${child.spec.id} has ended` })
      }
      return
    }
    if (kind === 'temporary') state.children.splice(state.children.indexOf(child), 1)
    else if (kind === 'permanent' || !isOrderly(reason)) restart(state, child, reason, cx)
  },
})

function cellOf(cx: Context): Cell {
  if (!(cx instanceof Cell)) throw new Error('a supervisor runs on a node')
  return cx
}

function newChild(spec: ChildSpec): Child {
  return { spec, cell: undefined, restarts: 0, startedMs: 0, backoffMs: 0 }
}

/** Returns what its init threw. */
function startChild(child: Child, parent: Cell): unknown {
  child.startedMs = parent.monotonic()
  const started = parent.owner.registry.start(child.spec, parent, child.restarts)
  if (!started.ok) return started.error
  child.cell = started.cell
  return undefined
}

function restart(state: State, child: Child, reason: ExitReason, cx: Context): void {
  if (cellOf(cx).phase !== 'active') return
  const now = cx.monotonic()
  const { intensity, periodMs } = state.options
  state.restarts.push(now)
  while ((state.restarts[0] ?? now) < now - periodMs) state.restarts.shift()
  if (state.restarts.length > intensity) {
    const detail = `${child.spec.id} and others died ${state.restarts.length} times in ${periodMs} ms`
    cx.log('error', detail)
    cx.stop(undefined, { kind: 'intensity', detail })
    return
  }
  const waitMs = backoffOf(child, now)
  cx.log('warn', `restarting ${child.spec.id}`, { reason, waitMs })
  if (waitMs === 0) restartGroup(state, child, cx)
  else cx.after(restartTimer(child.spec.id), waitMs, () => restartGroup(state, child, cx))
}

function restartTimer(id: string): string {
  return `restart ${id}`
}

function backoffOf(child: Child, now: number): number {
  const { backoff } = child.spec
  if (backoff === undefined) return 0
  const livedLong = now - child.startedMs >= backoff.maxMs
  child.backoffMs =
    child.backoffMs === 0 || livedLong
      ? backoff.minMs
      : Math.min(child.backoffMs * 2, backoff.maxMs)
  return child.backoffMs
}

/** The children that the strategy restarts along with `child`, in order. */
function groupOf(state: State, child: Child): readonly Child[] {
  switch (state.options.strategy) {
    case 'one_for_one':
      return [child]
    case 'one_for_all':
      return state.children
    case 'rest_for_one':
      return state.children.slice(state.children.indexOf(child))
  }
}

/** Stops the group in reverse, then starts it in order. A group under way takes in another. */
function restartGroup(state: State, child: Child, cx: Context): void {
  const isUnderWay = state.group.size > 0
  for (const member of groupOf(state, child)) state.group.add(member)
  if (!isUnderWay) stopYoungest(state, cx)
}

function stopYoungest(state: State, cx: Context): void {
  const parent = cellOf(cx)
  const { owner } = parent
  for (let at = state.children.length - 1; at >= 0; at--) {
    const child = state.children[at] as Child
    if (child.cell === undefined || !state.group.has(child)) continue
    const { cell } = child
    child.cell = undefined
    let [ended, waiting] = [false, false]
    owner.registry.stop(cell, SHUTDOWN, false, () => {
      ended = true
      if (waiting) stopYoungest(state, cx)
    })
    if (!ended) {
      waiting = true
      return
    }
  }
  owner.call(parent, () => startGroup(state, cx))
}

function startGroup(state: State, cx: Context): void {
  const parent = cellOf(cx)
  // One that joined after the last stop is still to be stopped.
  if (state.children.some((child) => child.cell !== undefined && state.group.has(child))) {
    stopYoungest(state, cx)
    return
  }
  const group = state.children.filter((child) => state.group.has(child))
  state.group.clear()
  if (parent.phase !== 'active') return
  for (const child of group) {
    cx.cancel(restartTimer(child.spec.id))
    if ((child.spec.restart ?? 'temporary') === 'temporary') {
      state.children.splice(state.children.indexOf(child), 1)
      continue
    }
    child.restarts++
    const error = startChild(child, parent)
    if (error === undefined) continue
    restart(state, child, { kind: 'crashed', detail: String(error) }, cx)
    // The others of a group come after it; alone, each goes its own way.
    if (state.options.strategy !== 'one_for_one') return
  }
}
