/** The table at the end of a chaos run. */
import Table from 'cli-table3'
import { median } from '../../benchmarks/support/statistics.ts'
import type { RunResult } from './run.ts'

/** Violations that are printed; the others are counted. */
const shown = 20

export function renderResult(result: RunResult): string {
  const { tasks, epochs, log, outagesMs, violations } = result
  const counts = (record: Readonly<Record<string, number>>) =>
    Object.entries(record)
      .map(([name, count]) => `${count} ${name}`)
      .join('\n')
  const outages =
    outagesMs.length === 0
      ? 'none'
      : `${outagesMs.length}, median ${Math.round(median(outagesMs))} ms, longest ${Math.round(Math.max(...outagesMs))} ms`
  const table = new Table({ style: { head: [], border: [] } })
  table.push(
    ['faults', counts(result.faults)],
    ['processes that ended', counts(result.ends)],
    ['pauses in the offers', outages],
    ['tasks launched', result.launched],
    ['tasks by terminal state', counts(tasks.states)],
    ['why they did not finish', counts(tasks.reasons) || '-'],
    ['tasks without terminal state', tasks.endless.length],
    ['commands that ran twice', tasks.doubles.length],
    ['agents in the registry', result.agents],
    ['positions of the log compared', log.compared],
    ['launches obeyed by agents', `${epochs.launches}, epochs ${epochs.epochs.join(' < ')}`],
    ['commands of deposed masters', `${epochs.refused}, refused by agents`],
    ['violations', violations.length],
  )
  const more = violations.length > shown ? [`... and ${violations.length - shown} more`] : []
  return [table.toString(), ...violations.slice(0, shown), ...more].join('\n')
}
