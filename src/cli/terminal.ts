/** Where the command reads its surroundings and writes its results: one object, so that tests can look. */
import { createColors } from 'picocolors'

export interface Terminal {
  /** Writes to standard output as it is. */
  out(text: string | Uint8Array): void
  /** Writes a line to standard error. */
  note(line: string): void
  err(text: string | Uint8Array): void
  /** Whether standard output is a terminal that can be redrawn. */
  readonly live: boolean
  /** Width in characters; 80 where nothing tells. */
  columns(): number
  readonly color: ReturnType<typeof createColors>
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The terminal that this process was started on. Colours only there, and not with NO_COLOR. */
export function systemTerminal(): Terminal {
  const { env, stdout, stderr } = process
  const live = stdout.isTTY === true && env.TERM !== 'dumb'
  // Whoever reads has closed the pipe (`| head`): nobody wants the rest.
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0)
      throw error
    })
  }
  return {
    out: (text) => void stdout.write(text),
    note: (line) => void stderr.write(`${line}\n`),
    err: (text) => void stderr.write(text),
    live,
    columns: () => stdout.columns || 80,
    color: createColors(live && !env.NO_COLOR),
    env,
  }
}
