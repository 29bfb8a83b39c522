/** Log lines collected in memory, for tests and simulations. */
import type { Log, LogLevel } from '../ports.ts'

export interface LogLine {
  readonly level: LogLevel
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface MemoryLog extends Log {
  /** The newest lines, oldest first. */
  readonly lines: readonly LogLine[]
}

/** Keeps the last `linesMax` lines (default 10,000) and forgets the older ones. */
export function memoryLog(linesMax = 10_000): MemoryLog {
  const lines: LogLine[] = []
  return {
    lines,
    write(level, message, fields = {}) {
      lines.push({ level, message, fields })
      // Dropping half at once keeps the cost per line constant.
      if (lines.length >= 2 * linesMax) lines.splice(0, lines.length - linesMax)
    },
  }
}
