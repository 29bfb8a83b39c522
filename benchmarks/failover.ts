/**
 * What the loss of the leading master costs. Two parts, both with three masters and default timers:
 *
 * - how long a framework is without offers: from `kill -9` of the leader to the first offer of the next one,
 *   over many kills, with three real agents;
 * - how long a large cluster takes to be whole again: simulated agents with running tasks register again,
 *   from the kill and from the election of the new leader on.
 *
 *     node dist/benchmarks/failover.js [--quick] [--json]
 *
 * The limits: nobody may lead before the lease of the former leader has ended; and as many bytes as the
 * agents have to tell, sent in equal messages from a bare client to another one.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { subjects } from '../protocol/subjects.ts'
import {
  agentsAdded,
  type BenchCluster,
  type BenchNode,
  simulatedAgentsModule,
  startBenchCluster,
} from './support/bench-cluster.ts'
import { interruptions } from './support/interruptions.ts'
import { lightScheduler } from './support/light-scheduler.ts'
import { type FailOver, Masters } from './support/masters.ts'
import { rawThroughput } from './support/raw-nats.ts'
import { median } from './support/statistics.ts'
import { TaskStream } from './support/task-stream.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const { quick, json } = flags
const kills = quick ? 5 : 30
const realAgents = 3
const simulatedAgents = quick ? 1000 : 10_000
const tasksPerAgent = 5
/** Agents that one process simulates. */
const agentsPerProcess = 5000
/** Of a REREGISTER_AGENT with five tasks, about. */
const reregistrationBytes = 2000

/** Seconds; the columns of one line of the report. */
interface Line {
  readonly what: string
  readonly median: number
  readonly max: number
  readonly limit?: number
  readonly target: string
  readonly mesos?: string
  /** CPU time of the new leader since its start: steadier than the time on a busy machine. */
  readonly cpuSeconds?: number
}

async function startRealAgent(bench: BenchCluster): Promise<BenchNode> {
  return bench.start('agent', ['--work-dir', bench.directory(), '--resources', 'cpus:2;mem:1024'])
}

async function offersAgain(): Promise<Line[]> {
  const bench = await startBenchCluster()
  try {
    const masters = await Masters.start(bench)
    await agentsAdded(bench, realAgents, () =>
      Promise.all(Array.from({ length: realAgents }, () => startRealAgent(bench))),
    )
    const found = await interruptions(bench, masters, kills)
    const line = (what: string, of: readonly number[]) => ({
      what: `kill -9 of the leader to ${what}`,
      median: median(of) / 1000,
      max: Math.max(...of) / 1000,
    })
    const lease = masters.leaseMs / 1000
    return [
      { ...line('its successor', found.electedMs), limit: lease, target: '' },
      { ...line('the framework subscribed again', found.subscribedMs), limit: lease, target: '' },
      {
        ...line('the first offer', found.offersMs),
        limit: lease,
        target: '2.5 s, max 5 s',
        mesos: '4-8 s',
      },
    ]
  } finally {
    await bench.stop()
  }
}

async function agentsBack(): Promise<Line[]> {
  const bench = await startBenchCluster()
  try {
    // The framework answers the offers of all agents at once.
    const room = String(2 * simulatedAgents * tasksPerAgent)
    const masters = await Masters.start(bench, ['--max-queued-calls-per-framework', room])
    const processes = Math.ceil(simulatedAgents / agentsPerProcess)
    const fleet = ['--count', String(simulatedAgents / processes), '--task-ms', '-1']
    let begin = 0
    await agentsAdded(bench, simulatedAgents, async () => {
      await Promise.all(
        Array.from({ length: processes }, () => bench.start(simulatedAgentsModule, fleet)),
      )
      begin = performance.now()
    })
    const registered = (performance.now() - begin) / 1000
    const tasks = simulatedAgents * tasksPerAgent
    await launch(bench, tasks)

    let failOver: FailOver | undefined
    await agentsAdded(bench, simulatedAgents, async () => {
      failOver = await masters.failOver()
    })
    const end = performance.now()
    const { killedMs, electedMs } = failOver!
    // It did little before it was elected.
    const cpuSeconds = (await masters.leader()).usage().cpuMs / 1000
    const { agents, running } = await count(bench)
    if (agents !== simulatedAgents || running !== tasks) {
      throw new Error(`after the failover there are ${agents} agents with ${running} tasks`)
    }
    const windows = { count: 5, ms: 200 }
    const raw = median(await rawThroughput(bench.nats, bench.url, reregistrationBytes, windows))
    const limit = simulatedAgents / raw
    const line = (what: string, seconds: number) => ({ what, median: seconds, max: seconds })
    const returned = `${simulatedAgents} agents with ${tasks} tasks back`
    return [
      {
        ...line(`${simulatedAgents} agents registered`, registered),
        target: '4 s',
        mesos: '6.7 s',
      },
      {
        ...line(`${returned}, from the election on`, (end - electedMs) / 1000),
        ...{ limit, target: '5 s', cpuSeconds },
      },
      { ...line(`${returned}, from the kill on`, (end - killedMs) / 1000), target: '' },
    ]
  } finally {
    await bench.stop()
  }
}

/** Launches so many tasks, some on each agent; resolves when all are running. */
async function launch(bench: BenchCluster, tasks: number): Promise<void> {
  const stream = new TaskStream({
    name: 'crowd',
    inFlight: tasks,
    perOffer: tasksPerAgent,
    each: { cpus: 0.1, mem: 16 },
    command: 'true',
    // Each agent is offered once: what is left of it is not wanted.
    refuseSeconds: 3600,
  })
  await lightScheduler(bench.nats, bench.cluster, 'crowd', stream)
  while (stream.runningMs.length < tasks) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** What the leader has in its books. */
async function count({ nats, cluster }: BenchCluster) {
  const call = JSON.stringify({ type: 'GET_METRICS' })
  const answer = await nats.request(subjects(cluster).masterCall, call, { timeout: 10_000 })
  const { metrics } = answer.json<{
    get_metrics: { metrics: ReadonlyArray<{ name: string; value: number }> }
  }>().get_metrics
  const value = (name: string) => metrics.find((metric) => metric.name === `master/${name}`)?.value
  return { agents: value('slaves_active'), running: value('tasks_running') }
}

// ---- report

const lines = [...(await offersAgain()), ...(await agentsBack())]

if (json) process.stdout.write(`${JSON.stringify({ benchmark: 'failover', lines }, null, 2)}\n`)
else {
  const table = new Table({
    head: ['', 'median', 'max', 'limit', 'target', 'Mesos', 'CPU'],
    style: { head: [], border: [] },
  })
  const seconds = (value: number) => `${value.toFixed(2)} s`
  for (const { what, median: middle, max, limit, target, mesos, cpuSeconds } of lines) {
    const [least = '', cpu = ''] = [limit, cpuSeconds].map((value) => value && seconds(value))
    table.push([what, seconds(middle), seconds(max), least, target, mesos ?? '', cpu])
  }
  process.stdout.write(`${kills} kills, ${realAgents} agents\n${table}\n`)
}
