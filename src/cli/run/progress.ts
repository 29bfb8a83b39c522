/** How the tasks of `meseta run` get on: a line that lives on a terminal, plain lines in a pipe. */
import type { TaskProgress } from '../../framework/index.ts'
import { exitStatusOf } from '../exit-status.ts'
import { LiveLines } from '../live.ts'
import { paintState } from '../states.ts'
import type { Terminal } from '../terminal.ts'
import { age } from '../times.ts'

export interface Progress {
  changed(task: TaskProgress): void
  /** The last word. */
  finish(all: readonly TaskProgress[]): void
}

/** Fastest that the line is drawn again, in milliseconds. */
const drawMs = 100

/** For several tasks: counts on a terminal, a line for each end of a task in a pipe. */
export function countingProgress(terminal: Terminal, tasks: number): Progress {
  const startedMs = Date.now()
  const states = new Map<TaskProgress, string>()
  const counts = new Map<string, number>([['WAITING', tasks]])
  const live = terminal.live ? new LiveLines(terminal) : undefined
  let timer: NodeJS.Timeout | undefined

  const add = (state: string, by: number) => counts.set(state, (counts.get(state) ?? 0) + by)
  const draw = () => {
    timer = undefined
    const parts = [...counts].filter(([, count]) => count > 0)
    const text = parts.map(([state, count]) => `${count} ${wordOf(state)}`).join(', ')
    live?.draw([`${text}  ${age(startedMs)}`.slice(0, terminal.columns() - 1)])
  }
  return {
    changed(task) {
      add(states.get(task) ?? 'WAITING', -1)
      states.set(task, task.state)
      add(task.state, 1)
      if (live !== undefined) timer ??= setTimeout(draw, drawMs)
      else if (task.done) terminal.note(endOf(task, terminal))
    },
    finish(all) {
      clearTimeout(timer)
      live?.clear()
      if (live !== undefined) {
        const failed = all.filter(({ state }) => state !== 'TASK_FINISHED')
        for (const task of failed.slice(0, listedMax)) terminal.note(endOf(task, terminal))
        if (failed.length > listedMax) terminal.note(`and ${failed.length - listedMax} more`)
      }
      const ends = new Map<string, number>()
      for (const { state } of all) ends.set(state, (ends.get(state) ?? 0) + 1)
      const text = [...ends].map(([state, count]) => `${count} ${state}`).join(', ')
      terminal.out(`${all.length} tasks in ${age(startedMs)}: ${text}\n`)
    },
  }
}

/** Failed tasks that are named at the end. */
const listedMax = 20
/** A task that has found no offer for so long is worth a word. */
const noteAfterMs = 3000

/** For a single task: its output is the progress; only what goes wrong is told, on standard error. */
export function quietProgress(terminal: Terminal): Progress {
  const note = setTimeout(
    () =>
      terminal.note(
        'No offer with room yet. In another terminal, --plan with the same options says what agents lack.',
      ),
    noteAfterMs,
  )
  return {
    changed({ state }) {
      if (state !== 'WAITING') clearTimeout(note)
    },
    finish([task]) {
      clearTimeout(note)
      if (task !== undefined && task.state !== 'TASK_FINISHED') terminal.note(endOf(task, terminal))
    },
  }
}

function endOf(
  { spec, taskId, state, status, hostname }: TaskProgress,
  terminal: Terminal,
): string {
  const exit = exitStatusOf(status)
  const shown = state === 'WAITING' ? 'was never launched' : paintState(state, terminal)
  return [
    `${taskId ?? spec.name} ${shown}`,
    ...(hostname === undefined ? [] : [`on ${hostname}`]),
    ...(exit === undefined ? [] : [`(exit ${exit})`]),
    ...(state === 'TASK_FINISHED' || !status?.message ? [] : [`- ${status.message}`]),
  ].join(' ')
}

function wordOf(state: string): string {
  return state.replace('TASK_', '').toLowerCase()
}
