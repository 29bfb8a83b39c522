/**
 * Tasks per second, and how long a task takes from ACCEPT to TASK_RUNNING. Three parts:
 *
 * - `true` through one real agent, many in flight; the limit is the same program started as often by Node's
 *   `spawn`, with as many in flight, in this process;
 * - the same with one in flight, for the latency;
 * - simulated tasks on simulated agents, which measures the master; the limit is a bare client's messages to
 *   another one, of which a task takes nine (launch, and for each of two statuses: agent to master, master to
 *   framework, and the acknowledgement back over both).
 *
 *     node dist/benchmarks/launch.js [--quick] [--json] [--profile DIR]
 *
 * The scheduler is a bare client in this process (support/light-scheduler.ts). An ext4 disk is slow to create
 * files for minutes after many were deleted nearby: let some time pass between two runs, or give each a
 * TMPDIR of its own.
 */
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import {
  agentsAdded,
  type BenchCluster,
  type BenchNode,
  simulatedAgentsModule,
  startBenchCluster,
} from './support/bench-cluster.ts'
import { lightScheduler } from './support/light-scheduler.ts'
import { rawThroughput } from './support/raw-nats.ts'
import { inWindows, median, percentile, spread } from './support/statistics.ts'
import { TaskStream, type TaskStreamOptions } from './support/task-stream.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** Where the master of the simulated tasks leaves a CPU profile at its end. */
    profile: { type: 'string' },
  },
})
const { quick, json } = flags
const windows = { count: 5, ms: quick ? 300 : 2000 }
const realInFlight = 128
const latencySamples = quick ? 10 : 100
const simulatedAgents = quick ? 2000 : 5000
const simulatedInFlight = 2000
/** Bytes of a message about a task, about. */
const taskMessageBytes = 400
const messagesPerTask = 9

interface Line {
  readonly what: string
  readonly value: number
  readonly unit: 'tasks/s' | 'ms'
  /** Half the distance of the extremes, as a share of the value; for latencies the 99th percentile. */
  readonly spread?: number
  readonly p99?: number
  readonly limit?: number
  readonly ratio?: number
  readonly target: string
  readonly mesos?: number
  /** CPU-ms of master and broker for each task, where they do the work. */
  readonly cpuMsPerTask?: number
}

/** Programs per second that Node starts and sees end by itself. */
async function rawSpawns(): Promise<number[]> {
  let ended = 0
  let stopping = false
  const one = async (): Promise<void> => {
    while (!stopping) {
      await new Promise<void>((resolve, reject) => {
        const child = spawn('true', { stdio: 'ignore' })
        // A program as short as this one can end while the next one starts, for ever: timers need their turn.
        child.once('exit', () => setImmediate(resolve))
        child.once('error', reject)
      })
      ended++
    }
  }
  const all = Array.from({ length: realInFlight }, one)
  const rates = await inWindows(windows, () => ended)
  stopping = true
  await Promise.all(all)
  return rates
}

/** Runs a stream of tasks while `watch` looks at it. */
async function streamed<T>(
  { nats, cluster }: BenchCluster,
  options: TaskStreamOptions,
  watch: (stream: TaskStream) => Promise<T>,
): Promise<T> {
  const stream = new TaskStream(options)
  const scheduler = await lightScheduler(nats, cluster, options.name, stream)
  const seen = await watch(stream)
  await stream.stop()
  await scheduler.teardown()
  return seen
}

async function startMaster(bench: BenchCluster, intervalMs: number): Promise<BenchNode> {
  const options = ['--work-dir', bench.directory()]
  options.push('--allocation-interval-ms', String(intervalMs))
  const execArgv = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${flags.profile}`] : []
  return bench.start('master', options, { execArgv })
}

async function realCommands(): Promise<Line[]> {
  const raw = median(await rawSpawns())
  const bench = await startBenchCluster()
  try {
    await startMaster(bench, 10)
    await agentsAdded(bench, 1, () =>
      bench.start('agent', [
        ...['--work-dir', bench.directory(), '--registration-backoff-ms', '0'],
        ...['--resources', 'cpus:100;mem:100000;disk:100000'],
      ]),
    )
    const each = { cpus: 0.1, mem: 32 }
    const shared = { perOffer: realInFlight, each, command: 'true', refuseSeconds: 0 }
    const many = { ...shared, name: 'many', inFlight: realInFlight }
    const rates = await streamed(bench, many, (stream) => inWindows(windows, () => stream.finished))
    const single = { ...shared, name: 'single', inFlight: 1 }
    const latencies = await streamed(bench, single, async (stream) => {
      // The first tells of a cold start.
      while (stream.runningMs.length <= latencySamples) await pause()
      return stream.runningMs.slice(1)
    })
    return [
      {
        what: `real commands, one agent, ${realInFlight} in flight`,
        value: median(rates),
        unit: 'tasks/s',
        spread: spread(rates),
        limit: raw,
        ratio: median(rates) / raw,
        target: '50 %',
        mesos: 8,
      },
      {
        what: 'ACCEPT to TASK_RUNNING, one in flight',
        value: median(latencies),
        unit: 'ms',
        p99: percentile(latencies, 99),
        target: '25 ms',
        mesos: 143,
      },
    ]
  } finally {
    await bench.stop()
  }
}

async function simulatedTasks(): Promise<Line[]> {
  const bench = await startBenchCluster()
  try {
    const master = await startMaster(bench, 100)
    await agentsAdded(bench, simulatedAgents, () =>
      bench.start(simulatedAgentsModule, ['--count', String(simulatedAgents)]),
    )
    const options = {
      name: 'simulated',
      inFlight: simulatedInFlight,
      perOffer: 10,
      each: { cpus: 1, mem: 32 },
      command: 'true',
      refuseSeconds: 1,
    }
    const cpuMs = () => master.usage().cpuMs + bench.broker.usage().cpuMs
    const seen = await streamed(bench, options, async (stream) => {
      while (stream.finished < simulatedInFlight) await pause()
      const [before, done] = [cpuMs(), stream.finished]
      const rates = await inWindows(windows, () => stream.finished)
      return { rates, cpuMsPerTask: (cpuMs() - before) / (stream.finished - done) }
    })
    const rawWindows = { count: 5, ms: 200 }
    const raw = median(await rawThroughput(bench.nats, bench.url, taskMessageBytes, rawWindows))
    const limit = raw / messagesPerTask
    return [
      {
        what: `simulated tasks, ${simulatedAgents} agents, ${simulatedInFlight} in flight`,
        value: median(seen.rates),
        unit: 'tasks/s',
        spread: spread(seen.rates),
        limit,
        ratio: median(seen.rates) / limit,
        target: '3750/s',
        mesos: 990,
        cpuMsPerTask: seen.cpuMsPerTask,
      },
    ]
  } finally {
    await bench.stop()
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5))
}

// ---- report

const lines = [...(await realCommands()), ...(await simulatedTasks())]

if (json) process.stdout.write(`${JSON.stringify({ benchmark: 'launch', lines }, null, 2)}\n`)
else {
  const table = new Table({
    head: ['', 'figure', 'limit', 'ratio', 'target', 'Mesos', 'CPU-ms/task'],
    style: { head: [], border: [] },
  })
  const percent = (value: number) => `${(100 * value).toFixed(0)} %`
  for (const { what, value, unit, limit, ratio, target, mesos, cpuMsPerTask, ...line } of lines) {
    const around = line.spread === undefined ? '' : ` ± ${percent(line.spread)}`
    const last = line.p99 === undefined ? '' : ` (p99 ${line.p99.toFixed(1)})`
    table.push([
      what,
      `${value.toFixed(unit === 'ms' ? 1 : 0)} ${unit}${around}${last}`,
      limit?.toFixed(0) ?? '',
      ratio === undefined ? '' : percent(ratio),
      target,
      mesos ?? '',
      cpuMsPerTask?.toFixed(2) ?? '',
    ])
  }
  process.stdout.write(`${table}\n`)
}
