/** Lines at the end of a terminal that are drawn again in place. */
import type { Terminal } from './terminal.ts'

const clearBelow = '\u001b[0J'

export class LiveLines {
  readonly #terminal: Terminal
  #drawn = 0

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  /** Replaces what was drawn before. Lines must fit the width: a wrapped one would be counted as one. */
  draw(lines: readonly string[]): void {
    this.#terminal.out(`${this.#up()}${lines.map((line) => `${line}\n`).join('')}`)
    this.#drawn = lines.length
  }

  /** Takes the lines away, so that other output can follow. */
  clear(): void {
    this.#terminal.out(this.#up())
    this.#drawn = 0
  }

  #up(): string {
    return this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\r${clearBelow}`
  }
}
