/**
 * Regular expressions whose authors are not trusted: matching takes time in proportion to the lengths
 * of pattern and text, whatever they are, where JavaScript's own may take for ever. Thompson's method:
 * all states that the pattern may be in are followed at once (K. Thompson, CACM 11:6, 1968).
 */
import { err, ok, type Result } from '../../protocol/result.ts'
import { type CharTest, type Node, PatternError, parsePattern } from './syntax.ts'

/** Whether the whole text matches. */
export type Pattern = (text: string) => boolean

/** Steps of a compiled pattern, counted repetitions written out. */
const STEPS_MAX = 500
const SOURCE_LENGTH_MAX = 500

/** One step of a compiled pattern. Targets are indices of steps. */
type Step =
  | { readonly op: 'chars'; readonly includes: CharTest }
  | { readonly op: 'begin' | 'end' | 'match' }
  /** Goes on at the next step and at `other`. */
  | { readonly op: 'fork'; other: number }
  | { readonly op: 'jump'; other: number }

/**
 * Compiles a pattern (RE2's syntax without flags and Unicode classes, see syntax.ts), or says in a
 * sentence why not.
 *
 * @example
 * const pattern = compilePattern('r[0-9]+')
 * pattern.ok && pattern.value('r12') // true
 */
export function compilePattern(source: string): Result<Pattern, string> {
  if (source.length > SOURCE_LENGTH_MAX) {
    return err(`a pattern may have ${SOURCE_LENGTH_MAX} characters, this one has ${source.length}`)
  }
  try {
    const steps: Step[] = []
    emit(parsePattern(source), steps)
    add(steps, { op: 'match' })
    return ok((text) => matches(steps, text))
  } catch (error) {
    if (error instanceof PatternError) return err(error.message)
    throw error
  }
}

function emit(node: Node, steps: Step[]): void {
  switch (node.type) {
    case 'chars':
      add(steps, { op: 'chars', includes: node.includes })
      break
    case 'begin':
    case 'end':
      add(steps, { op: node.type })
      break
    case 'sequence':
      for (const item of node.items) emit(item, steps)
      break
    case 'choice':
      emitChoice(node.items, steps)
      break
    case 'repeat':
      emitRepeat(node.item, node.min, node.max, steps)
  }
}

function emitChoice(items: readonly Node[], steps: Step[]): void {
  const ends = items.map((item, index) => {
    if (index === items.length - 1) {
      emit(item, steps)
      return undefined
    }
    const fork = add(steps, { op: 'fork', other: 0 })
    emit(item, steps)
    const end = add(steps, { op: 'jump', other: 0 })
    fork.other = steps.length
    return end
  })
  for (const end of ends) if (end !== undefined) end.other = steps.length
}

function emitRepeat(item: Node, min: number, max: number, steps: Step[]): void {
  for (let i = 0; i < min; i++) {
    const before = steps.length
    emit(item, steps)
    // Nothing, however often: must not cost the time that writing it out would.
    if (steps.length === before) break
  }
  if (max === Number.POSITIVE_INFINITY) {
    const start = steps.length
    const fork = add(steps, { op: 'fork', other: 0 })
    emit(item, steps)
    add(steps, { op: 'jump', other: start })
    fork.other = steps.length
    return
  }
  const forks: Array<{ other: number }> = []
  for (let i = min; i < max; i++) {
    forks.push(add(steps, { op: 'fork', other: 0 }))
    emit(item, steps)
  }
  for (const fork of forks) fork.other = steps.length
}

function add<S extends Step>(steps: Step[], step: S): S {
  if (steps.length === STEPS_MAX)
    throw new PatternError(`a pattern of more than ${STEPS_MAX} steps`)
  steps.push(step)
  return step
}

function matches(steps: readonly Step[], text: string): boolean {
  const chars = [...text]
  let states = reach(steps, [0], 0, chars.length)
  for (let at = 0; at < chars.length && states.length > 0; at++) {
    const code = (chars[at] as string).codePointAt(0) as number
    const next: number[] = []
    for (const state of states) {
      const step = steps[state] as Step
      if (step.op === 'chars' && step.includes(code)) next.push(state + 1)
    }
    states = reach(steps, next, at + 1, chars.length)
  }
  return states.includes(steps.length - 1)
}

/** The steps at which a character is taken, or the match is complete, that follow from `from`. */
function reach(steps: readonly Step[], from: number[], at: number, length: number): number[] {
  const seen = new Uint8Array(steps.length)
  const reached: number[] = []
  for (let state = from.pop(); state !== undefined; state = from.pop()) {
    if (seen[state] === 1) continue
    seen[state] = 1
    const step = steps[state] as Step
    if (step.op === 'fork') from.push(state + 1, step.other)
    else if (step.op === 'jump') from.push(step.other)
    else if (step.op === 'begin') {
      if (at === 0) from.push(state + 1)
    } else if (step.op === 'end') {
      if (at === length) from.push(state + 1)
    } else reached.push(state)
  }
  return reached
}
