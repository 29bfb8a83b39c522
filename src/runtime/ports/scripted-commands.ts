/**
 * How simulated programs behave, and what a few commands of a POSIX system do: `true`, `false`,
 * `sleep N`, `echo …`, and `sh -c` with these and `exit N`, joined by `;` or `&&`.
 */
import { basename } from 'node:path'
import type { SpawnOptions } from '../ports.ts'

export interface Outcome {
  readonly code: number | null
  readonly signal: string | null
}

/** What a simulated process does. Nothing given: it runs until a signal ends it. */
export interface Behaviour {
  /** It ends by itself after so many ms. Absent: never. */
  readonly runMs?: number
  /** Exit code when it ends by itself. Default: 0. */
  readonly exitCode?: number
  /**
   * What SIGTERM and SIGINT do. Default: they end it. A number of ms and a code: it cleans up and
   * then exits. SIGKILL always ends it.
   */
  readonly onTerminate?: 'end' | 'ignore' | { readonly afterMs: number; readonly exitCode: number }
  /** Written to its standard output at the start. */
  readonly stdout?: string
  /** Processes that it starts in its own group, and that it does not take with it. */
  readonly forks?: readonly Behaviour[]
  /**
   * What it does beside: called at its start with what ends it; what that returns is called once when it
   * has ended, however that came.
   */
  readonly program?: (exit: (code: number) => void) => () => void
}

/** The behaviour of a known command; undefined if there is no such program. */
export function standardBehaviour({ command, args }: SpawnOptions): Behaviour | undefined {
  const name = basename(command)
  if ((name === 'sh' || name === 'bash') && args[0] === '-c') return shell(args[1] ?? '')
  return simple(name, args)
}

function simple(name: string, args: readonly string[]): Behaviour | undefined {
  if (name === 'true') return { runMs: 0 }
  if (name === 'false') return { runMs: 0, exitCode: 1 }
  if (name === 'echo') return { runMs: 0, stdout: `${args.join(' ')}\n` }
  if (name === 'exit') return { runMs: 0, exitCode: Number(args[0] ?? 0) }
  if (name !== 'sleep') return undefined
  const seconds = Number(args[0])
  if (args[0] === 'infinity') return {}
  return Number.isNaN(seconds) ? { runMs: 0, exitCode: 1 } : { runMs: seconds * 1000 }
}

/** One after the other; `&&` goes on only after success. Unknown commands give 127, as in a shell. */
function shell(script: string): Behaviour {
  let runMs = 0
  let exitCode = 0
  let stdout = ''
  let skipping = false
  for (const part of script.split(/(;|&&)/)) {
    if (part === ';') skipping = false
    else if (part === '&&') skipping = exitCode !== 0
    else if (!skipping && part.trim() !== '') {
      const words = part
        .trim()
        .replace(/^exec /, '')
        .split(/\s+/)
      const behaviour = simple(basename(words[0]!), words.slice(1).map(unquote))
      if (behaviour !== undefined && behaviour.runMs === undefined) return { stdout }
      runMs += behaviour?.runMs ?? 0
      exitCode = behaviour === undefined ? 127 : (behaviour.exitCode ?? 0)
      stdout += behaviour?.stdout ?? ''
      if (words[0] === 'exit') break
    }
  }
  return { runMs, exitCode, stdout }
}

function unquote(word: string): string {
  return word.replace(/^["']|["']$/g, '')
}
