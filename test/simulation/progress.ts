/** Where long work stands, on stderr: a line that changes on a terminal, else one now and then. */

const everyMs = 30_000

export class Progress {
  #toldMs = performance.now()

  tell(text: string): void {
    if (process.stderr.isTTY) {
      process.stderr.write(`\r\u001b[K${text}`)
      return
    }
    const nowMs = performance.now()
    if (nowMs - this.#toldMs < everyMs) return
    this.#toldMs = nowMs
    process.stderr.write(`${text}\n`)
  }

  /** Before anything else is written. */
  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
  }
}
