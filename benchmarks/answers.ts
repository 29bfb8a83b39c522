/**
 * How soon a busy master answers. Three parts, each with simulated agents on real NATS:
 *
 * - a small question of an operator and one of a framework, during allocation cycles over all agents: for
 *   frameworks that want none of them, and for many that decline everything at once;
 * - the state of the cluster and its metrics, and the small question meanwhile (Mesos' benchmarks GetState,
 *   GetMetrics and ActorResponsiveness);
 * - agents that return with their tasks to a new master (AgentReregistrationDelay).
 *
 *     node dist/benchmarks/answers.js [--quick] [--json] [--part NAME]
 *
 * Parameters: allocator.md §16. The limits: a question that a bare client answers, asked at the same time;
 * as many bytes from a bare client to another.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { cyclesPart, returnPart, statePart } from './support/answer-cases.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    part: { type: 'string' },
  },
})
const { quick, json } = flags

const parts = {
  cycles: () => cyclesPart(quick),
  state: () => statePart(quick),
  return: () => returnPart(quick),
}

const chosen = Object.entries(parts).filter(([name]) => (flags.part ?? name) === name)
if (chosen.length === 0) throw new Error(`there is no part ${flags.part}`)
const lines = []
for (const [, measure] of chosen) lines.push(...(await measure()))

if (json) process.stdout.write(`${JSON.stringify({ benchmark: 'answers', lines }, null, 2)}\n`)
else {
  const table = new Table({
    head: [
      '',
      'ms',
      'p99',
      'max',
      'limit',
      'its p99',
      'ratio',
      'target',
      'Mesos',
      'longest turn, CPU ms (ms)',
    ],
    style: { head: [], border: [] },
  })
  const round = (value: number | undefined) => (value === undefined ? '' : value.toFixed(1))
  for (const line of lines) {
    const { what, ms, p99Ms, maxMs, limitMs, limitP99Ms, target = '', mesos = '', turn } = line
    const ratio = limitMs === undefined ? '' : (ms / limitMs).toFixed(1)
    const longest =
      turn === undefined ? '' : `${turn.cpuMs.toFixed(1)} (${turn.ms.toFixed(1)}), ${turn.what}`
    const figures = [ms, p99Ms, maxMs, limitMs, limitP99Ms].map(round)
    table.push([what, ...figures, ratio, target, mesos, longest])
  }
  process.stdout.write(`${table}\n`)
}
