/**
 * Whether a history of concurrent operations is linearizable: whether there is one order of them, each at
 * some moment between its call and its return, that a sequential object could have produced. The search of
 * Wing and Gong (JPDC 1993) with Lowe's memory of configurations that were seen (2017). Exponential at worst,
 * so check objects that are independent of each other one by one.
 */

export interface Operation<Input, Output> {
  readonly input: Input
  /** Undefined: nobody knows whether it was done. */
  readonly output: Output | undefined
  /** Any clock that all operations of a history share; no two times are equal. */
  readonly call: number
  /** Of no meaning where the output is unknown: then it may have its effect at any time, or never. */
  readonly return: number
}

/** A sequential object. States are compared by `===`: use strings or numbers. */
export interface Model<State, Input, Output> {
  readonly initial: State
  /**
   * The state after the operation, or undefined if it cannot have this output in this state. An unknown
   * output is the one that the operation would have.
   */
  step(state: State, input: Input, output: Output | undefined): State | undefined
}

interface Entry {
  readonly index: number
  readonly isCall: boolean
  previous: Entry | undefined
  next: Entry | undefined
  /** Of a call: its return, unless the output is unknown. */
  match: Entry | undefined
}

export function isLinearizable<State, Input, Output>(
  history: ReadonlyArray<Operation<Input, Output>>,
  model: Model<State, Input, Output>,
): boolean {
  const head = listOf(history)
  const done = new Uint8Array(history.length)
  const seen = new Map<string, Set<State>>()
  const stack: Array<{ readonly entry: Entry; readonly state: State }> = []
  let left = history.filter(({ output }) => output !== undefined).length
  let state = model.initial
  let entry = head.next
  while (left > 0) {
    if (entry?.isCall) {
      const { input, output } = history[entry.index]!
      const after = model.step(state, input, output)
      // What nobody knows of and what has no effect here need not be done at all.
      const isIdle = output === undefined && after === state
      done[entry.index] = 1
      if (after !== undefined && !isIdle && isNew(seen, done, after)) {
        stack.push({ entry, state })
        state = after
        lift(entry)
        if (output !== undefined) left--
        entry = head.next
      } else {
        done[entry.index] = 0
        entry = entry.next
      }
    } else {
      // Something returns that was not done, or nothing is left to try: the last choice was wrong.
      const last = stack.pop()
      if (last === undefined) return false
      state = last.state
      done[last.entry.index] = 0
      putBack(last.entry)
      if (history[last.entry.index]!.output !== undefined) left++
      entry = last.entry.next
    }
  }
  return true
}

function isNew<State>(seen: Map<string, Set<State>>, done: Uint8Array, state: State): boolean {
  const key = Buffer.from(done).toString('latin1')
  const states = seen.get(key) ?? new Set()
  if (states.has(state)) return false
  seen.set(key, states.add(state))
  return true
}

/** Calls and returns in the order of time, behind an entry that is neither. */
function listOf(history: ReadonlyArray<Operation<unknown, unknown>>): Entry {
  const make = (index: number, isCall: boolean): Entry => ({
    index,
    isCall,
    previous: undefined,
    next: undefined,
    match: undefined,
  })
  const timed = history.flatMap((operation, index) => {
    const call = make(index, true)
    if (operation.output === undefined) return [{ at: operation.call, entry: call }]
    call.match = make(index, false)
    return [
      { at: operation.call, entry: call },
      { at: operation.return, entry: call.match },
    ]
  })
  const head = make(-1, false)
  let last = head
  for (const { entry } of timed.sort((a, b) => a.at - b.at)) {
    entry.previous = last
    last.next = entry
    last = entry
  }
  return head
}

/** Takes a call and its return out of the list. */
function lift({ previous, next, match }: Entry): void {
  if (previous !== undefined) previous.next = next
  if (next !== undefined) next.previous = previous
  if (match === undefined) return
  if (match.previous !== undefined) match.previous.next = match.next
  if (match.next !== undefined) match.next.previous = match.previous
}

/** Undoes the last `lift`. */
function putBack(call: Entry): void {
  const { match } = call
  if (match !== undefined) {
    if (match.previous !== undefined) match.previous.next = match
    if (match.next !== undefined) match.next.previous = match
  }
  if (call.previous !== undefined) call.previous.next = call
  if (call.next !== undefined) call.next.previous = call
}
