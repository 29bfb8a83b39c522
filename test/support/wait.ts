/**
 * Waiting on the real clock, for tests of real parts (a broker, processes, files) that cannot be told
 * when something has happened. Tests on the virtual clock advance it instead. House rule: style.md §7.
 */

// Simulated worlds may replace the globals.
const { setTimeout, performance } = globalThis

export interface UntilOptions {
  /** What is awaited, as the end of "timed out waiting for ...". */
  readonly what: string
  /** Limit in milliseconds, for what never comes true. Default 30,000: machines may be slow. */
  readonly timeoutMs?: number
  /** Pause between two looks in milliseconds. Default 10. */
  readonly intervalMs?: number
}

/**
 * Resolves with the first truthy value of `condition`. A condition that throws is not met yet; its
 * last error is the cause of the rejection after the time limit.
 *
 * @example await until(() => existsSync(path), { what: 'the pid file' })
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: UntilOptions,
): Promise<NonNullable<T>> {
  const { what, timeoutMs = 30_000, intervalMs = 10 } = options
  const deadline = performance.now() + timeoutMs
  for (;;) {
    let cause: unknown
    try {
      const value = await condition()
      if (value) return value
    } catch (error) {
      cause = error
    }
    if (performance.now() >= deadline) {
      const why = cause instanceof Error ? `: ${cause.message}` : ''
      throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}${why}`, { cause })
    }
    await new Promise((resolve) => setTimeout(resolve, intervalMs))
  }
}
