/**
 * What the allocator does beside and around its runs: agents that come and change, suppression, revivals,
 * metrics, conversions, the order of clients, and tasks of frameworks of three kinds. The parameters are
 * those of Mesos' own allocator benchmarks. Spec: allocator.md §16, which has their names.
 *
 *     npx tsx benchmarks/bookkeeping.ts [--quick] [--json] [--case=NAME]
 *
 * The limit, where there is one: the same messages to an actor that does nothing with them; for an order,
 * the same number of shares as plain numbers, sorted. Each case is measured in a process of its own, after
 * a warm-up.
 */
import { execFileSync } from 'node:child_process'
import Table from 'cli-table3'
import { cases, type Line } from './support/bookkeeping-cases.ts'

interface Figures {
  readonly name: string
  readonly lines: readonly Line[]
}

const quick = process.argv.includes('--quick')
const scale = quick ? 10 : 1
const only = process.argv.find((arg) => arg.startsWith('--case='))

/** One case, measured in a fresh process. */
function measureApart(name: string): Figures {
  const [program, script] = process.argv as [string, string]
  const args = [...process.execArgv, script, `--case=${name}`, ...(quick ? ['--quick'] : [])]
  return JSON.parse(execFileSync(program, args, { encoding: 'utf8' })) as Figures
}

function tableOf(figures: readonly Figures[]): string {
  const ms = (value: number | undefined) => (value === undefined ? '' : value.toFixed(2))
  const head = ['case', 'work', 'ms', 'CPU ms', 'each µs', 'limit ms', 'ratio', 'result']
  const table = new Table({ head, style: { head: [], border: [] } })
  for (const { name, lines } of figures) {
    for (const { what, count, limitMs, result = '', ...times } of lines) {
      const each = ((times.ms * 1000) / count).toFixed(2)
      const ratio = limitMs === undefined ? '' : (times.ms / limitMs).toFixed(1)
      table.push([name, what, ms(times.ms), ms(times.cpuMs), each, ms(limitMs), ratio, result])
    }
  }
  return table.toString()
}

if (only !== undefined) {
  const chosen = cases.find(({ name }) => name === only.slice('--case='.length))
  if (chosen === undefined) throw new Error(`there is no case ${only}`)
  // The first time warms the compiler up, as a master is that has run for a minute.
  await chosen.measure(10 * scale)
  const lines = await chosen.measure(scale)
  process.stdout.write(JSON.stringify({ name: chosen.name, lines }))
} else {
  const figures = cases.map(({ name }) => measureApart(name))
  if (process.argv.includes('--json'))
    process.stdout.write(`${JSON.stringify({ benchmark: 'bookkeeping', figures }, null, 2)}\n`)
  else process.stdout.write(`${tableOf(figures)}\n`)
}
