import { Violation } from './history.ts'

/** The rule that a function breaks; undefined if none. */
export function broken(run: () => void): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof Violation) return error.rule
    throw error
  }
}
