/** States in colours. */
import type { Terminal } from './terminal.ts'

/** A task's state in the colour that says how good it is. */
export function paintState(state: string, { color }: Pick<Terminal, 'color'>): string {
  if (state === 'TASK_FINISHED') return color.green(state)
  if (state === 'TASK_RUNNING') return color.cyan(state)
  return /FAILED|ERROR|LOST|DROPPED|GONE|UNREACHABLE/.test(state) ? color.red(state) : state
}
