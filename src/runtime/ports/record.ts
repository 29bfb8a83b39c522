/**
 * The files by which a recorded process is found again, whoever started it (`SpawnOptions.record`). Their
 * paths are the record's prefix and a suffix:
 * - `.shim`: a line of /proc/PID/stat of the process to be watched, which lives as long as the command.
 *   Created exclusively: it is the right to start the command, and whoever creates it first has made sure
 *   that nobody else does;
 * - `.pid`: the same line of the command itself, which leads a session and a process group of its own;
 * - `.exit`: the exit status and a line break; 128 + n for signal n, as shells say it. There soon after the
 *   watched process is gone, unless its watcher was killed too.
 */

export const suffixes = { shim: '.shim', pid: '.pid', exit: '.exit' } as const

/** A process as /proc/PID/stat tells of it: pid, and start time in ticks (field 22). */
export interface Identity {
  readonly pid: number
  readonly startTime: string
}

/** What `.shim` and `.pid` hold; undefined while they are not whole. */
export function parseIdentity(text: string): Identity | undefined {
  if (!text.endsWith('\n')) return undefined
  // Field 2 is the program's name in parentheses and may itself hold spaces and parentheses.
  const startTime = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')[19]
    ?.trim()
  const pid = Number.parseInt(text, 10)
  return startTime === undefined || !Number.isSafeInteger(pid) ? undefined : { pid, startTime }
}

/** A line that `parseIdentity` reads; what it leaves out is 0. */
export function formatIdentity({ pid, startTime }: Identity): string {
  return `${pid} (command) S ${'0 '.repeat(18)}${startTime} 0\n`
}

/** What `.exit` holds; undefined if it is not whole. */
export function parseExit(text: string): number | undefined {
  return /^\d{1,3}\n$/.test(text) ? Number.parseInt(text, 10) : undefined
}
