/** Ctrl-C in the midst of long work: what was done until then is told, and nothing is left running. */

/** Exit code of what was interrupted, as of a shell. */
export const interruptedCode = 130

export const interruptions = ['SIGINT', 'SIGTERM'] as const

/** npm hands on what the terminal has sent to all its processes: within this time it is the same Ctrl-C. */
const sameMs = 300

/** Is aborted by the first SIGINT or SIGTERM. The second one ends the process at once. */
export function interruption(): AbortSignal {
  const controller = new AbortController()
  let firstMs = Number.POSITIVE_INFINITY
  const heard = () => {
    if (performance.now() - firstMs > sameMs) process.exit(interruptedCode)
    if (controller.signal.aborted) return
    firstMs = performance.now()
    controller.abort()
  }
  for (const each of interruptions) process.on(each, heard)
  return controller.signal
}

/** For processes whose parent ends them: a terminal sends Ctrl-C to them, too. */
export function ignoreInterruptions(): void {
  for (const each of interruptions) process.on(each, () => undefined)
}
