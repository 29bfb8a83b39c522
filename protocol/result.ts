/**
 * Expected failures are values (style.md §5): a function whose failure is part of its contract
 * returns a `Result` and never throws.
 */

export interface Ok<Value> {
  readonly ok: true
  readonly value: Value
}

export interface Err<Problem> {
  readonly ok: false
  readonly error: Problem
}

/** What was asked for, or why not. `if (!result.ok) return result` passes a failure on. */
export type Result<Value, Problem = string> = Ok<Value> | Err<Problem>

export function ok<Value>(value: Value): Ok<Value> {
  return { ok: true, value }
}

export function err<Problem>(error: Problem): Err<Problem> {
  return { ok: false, error }
}
