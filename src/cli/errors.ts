/**
 * What a person at a shell is told when something fails: a stable code, a sentence, what to do next, and
 * an exit code that scripts can rely on (design.md §8).
 */
import { advice, type Details, type ErrorCode, failure } from '../../protocol/errors.ts'

/** Exit codes of the command. Those of `run` are the task's, and 124 (time-out), 130 (interrupted). */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  noLeader: 4,
  denied: 5,
  timeout: 124,
  interrupted: 130,
} as const

/** An error that is told without a stack: it is no fault of the program. */
export class CommandError extends Error {
  readonly code: string
  /** What to do next; may be empty. */
  readonly advice: string

  constructor(code: string, message: string, next = '', options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
    this.code = code
    this.advice = next
  }
}

/** An error of the catalogue. */
export function commandError(code: ErrorCode, details: Details = {}): CommandError {
  return new CommandError(code, failure(code, details).message, advice(code, details))
}

/** @example throw usage('--cpus: must be > 0') */
export function usage(problem: string, next = advice('USAGE')): CommandError {
  return new CommandError('USAGE', problem, next)
}

const exitCodeOf: Readonly<Record<string, number>> = {
  USAGE: exitCodes.usage,
  AMBIGUOUS_ID: exitCodes.usage,
  INVALID_MESSAGE: exitCodes.usage,
  NOT_FOUND: exitCodes.notFound,
  UNKNOWN_TASK: exitCodes.notFound,
  UNKNOWN_AGENT: exitCodes.notFound,
  UNKNOWN_FRAMEWORK: exitCodes.notFound,
  UNKNOWN_EXECUTOR: exitCodes.notFound,
  NO_ACTOR: exitCodes.notFound,
  NO_LEADER: exitCodes.noLeader,
  NOT_LEADING: exitCodes.noLeader,
  DENIED: exitCodes.denied,
}

/** The exit code for an error code; 1 for those that have none of their own. */
export function exitCodeFor(code: string): number {
  return exitCodeOf[code] ?? exitCodes.failure
}

/** Lines for standard error: code and sentence, causes, next step. Faults of the program show their stack. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `error: INTERNAL: ${String(error)}`
  const code = codeOf(error)
  const head =
    code === 'INTERNAL'
      ? `error: INTERNAL: ${error.stack ?? error.message}`
      : `error: ${code}: ${error.message}`
  const next = error instanceof CommandError ? error.advice : advice(code)
  return [head, ...causes(error), ...(next === '' ? [] : [`  ${next}`])].join('\n')
}

/** The stable code of an error: its own if it carries one, else INTERNAL. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' ? code : 'INTERNAL'
}

function causes(error: Error): string[] {
  const lines: string[] = []
  // A chain that bites its own tail must not hang the program.
  for (let cause = error.cause; cause instanceof Error && lines.length < 10; cause = cause.cause) {
    if (!error.message.includes(cause.message)) lines.push(`  because: ${cause.message}`)
  }
  return lines
}
