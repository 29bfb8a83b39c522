/**
 * A million short tasks on thousands of agents, for frameworks of different weights: how many a second, how
 * soon they run, how fairly they are shared out, and what the master needs for it. Agents and executors are
 * simulated (support/simulated-agents.ts); broker, master, offers and statuses are real.
 *
 *     node dist/benchmarks/scale.js [--quick] [--json] [--tasks N] [--agents N]
 *
 * The agents are always full: each has room for one task, and each framework takes whatever it is offered.
 * First the tasks are so short that the master cannot keep up, which gives the rate; its limit is a bare
 * client's messages to another one, of which a task takes nine (see launch.ts). Then they are so long that it
 * has half of that to do: that gives the time to TASK_RUNNING, and the shares. Since nothing waits for long
 * there, the average number of tasks that a framework has in flight is what the allocator gave it, and beside
 * it stands the weighted share (DRF with one resource that matters: in proportion to the weights).
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { agentsAdded, simulatedAgentsModule, startBenchCluster } from './support/bench-cluster.ts'
import { type LightScheduler, lightScheduler } from './support/light-scheduler.ts'
import { rawThroughput } from './support/raw-nats.ts'
import { median, percentile } from './support/statistics.ts'
import { TaskStream } from './support/task-stream.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    tasks: { type: 'string' },
    agents: { type: 'string' },
  },
})
const { quick, json } = flags
const tasks = Number(flags.tasks ?? (quick ? 20_000 : 1_000_000))
const agents = Number(flags.agents ?? (quick ? 1000 : 5000))
const weights = [1, 2, 3, 4]
const taskMs = 500
const allocationIntervalMs = 50
const agentsPerProcess = 2500
const leaseMs = 20_000
const sampleMs = 100
/** Frameworks here do not come back to a master that has led no more meanwhile: that is a failure. */
const stalledMs = 60_000
/** Until every agent had a task, and shares have settled. */
const warmMs = quick ? 3000 : 10_000
/** How long half of the rate is watched, and before that, in rounds of tasks, until they no longer end together. */
const halfRateMs = quick ? 3000 : 30_000
const warmRounds = 4
const taskMessageBytes = 400
const messagesPerTask = 9

interface Share {
  readonly weight: number
  /** Of all tasks in flight, on average. */
  readonly share: number
  readonly ideal: number
  /** How far the share is from the ideal, as a part of the ideal. */
  readonly error: number
}

interface Report {
  readonly benchmark: 'scale'
  readonly agents: number
  readonly tasks: number
  readonly seconds: number
  readonly tasksPerSecond: number
  readonly rawTasksPerSecond: number
  readonly ratio: number
  readonly runningMsP50: number
  readonly runningMsP99: number
  /** With tasks that are over half as often as the master can launch them. */
  readonly halfRate: { readonly tasksPerSecond: number; readonly p50: number; readonly p99: number }
  readonly shares: readonly Share[]
  /** Master's CPU for each task, ms, and its resident memory at the end, MiB. */
  readonly masterCpuMsPerTask: number
  readonly masterMiB: number
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function run(): Promise<Report> {
  const bench = await startBenchCluster()
  try {
    const roles = weights.map((weight) => `weight-${weight}`)
    const master = await bench.start('master', [
      ...['--work-dir', bench.directory()],
      ...['--allocation-interval-ms', String(allocationIntervalMs)],
      // On a machine that others use too, a master may wait for seconds until it has its turn.
      ...['--lease-ms', String(leaseMs)],
      ...weights.flatMap((weight, index) => ['--weights', `${roles[index]}=${weight}`]),
    ])
    const processes = Math.ceil(agents / agentsPerProcess)
    const fleet = ['--count', String(agents / processes), '--resources', 'cpus:1;mem:64']
    await agentsAdded(bench, agents, () =>
      Promise.all(
        Array.from({ length: processes }, () =>
          bench.start(simulatedAgentsModule, [...fleet, '--task-ms', String(taskMs)]),
        ),
      ),
    )

    const connect = (name: string, command: () => string) =>
      Promise.all(
        weights.map(async (_, index) => {
          const stream = new TaskStream({
            name: `${name}-${index}`,
            inFlight: agents,
            perOffer: 1,
            each: { cpus: 1, mem: 64 },
            command,
            refuseSeconds: 0,
          })
          const { nats, cluster } = bench
          const id = `${name}-${index}`
          const scheduler = await lightScheduler(nats, cluster, id, stream, roles[index])
          return { stream, scheduler }
        }),
      )

    const full = await connect('full', () => 'true')
    const streams = full.map(({ stream }) => stream)
    const finished = () => streams.reduce((sum, stream) => sum + stream.finished, 0)
    await pause(warmMs)
    for (const { runningMs } of streams) runningMs.length = 0
    const [begin, done, cpu] = [performance.now(), finished(), master.usage().cpuMs]
    let said = begin
    let last = { count: done, ms: begin }
    while (finished() < tasks) {
      await pause(sampleMs)
      const now = { count: finished(), ms: performance.now() }
      if (now.count > last.count) last = now
      else if (now.ms - last.ms > stalledMs) {
        throw new Error(`no task has ended for ${stalledMs} ms, after ${now.count} of ${tasks}`)
      }
      if (!json && performance.now() - said > 5000) {
        said = performance.now()
        process.stdout.write(`  ${finished()} tasks of ${tasks}\n`)
      }
    }
    const seconds = (performance.now() - begin) / 1000
    const counted = finished() - done
    const { cpuMs, rssBytes } = master.usage()
    const runningMs = streams.flatMap((stream) => stream.runningMs)
    await end(full)

    const tasksPerSecond = counted / seconds
    const roundSeconds = agents / (tasksPerSecond / 2)
    const half = await connect('half', () => `sleep ${roundSeconds * (0.5 + Math.random())}`)
    await pause(warmRounds * roundSeconds * 1000)
    const halves = half.map(({ stream }) => stream)
    for (const stream of halves) stream.runningMs.length = 0
    const finishedHalf = () => halves.reduce((sum, stream) => sum + stream.finished, 0)
    const [halfBegin, halfDone] = [performance.now(), finishedHalf()]
    const sums = weights.map(() => 0)
    while (performance.now() - halfBegin < halfRateMs) {
      await pause(sampleMs)
      for (const [index, stream] of halves.entries()) sums[index]! += stream.inFlight
    }
    const halfPerSecond = (finishedHalf() - halfDone) / ((performance.now() - halfBegin) / 1000)
    const halfMs = halves.flatMap((stream) => stream.runningMs)
    await end(half)

    const total = sums.reduce((sum, value) => sum + value, 0)
    const weightSum = weights.reduce((sum, value) => sum + value, 0)
    const rawWindows = { count: 5, ms: quick ? 100 : 200 }
    const raw = median(await rawThroughput(bench.nats, bench.url, taskMessageBytes, rawWindows))
    return {
      benchmark: 'scale',
      agents,
      tasks: finished(),
      seconds,
      tasksPerSecond,
      rawTasksPerSecond: raw / messagesPerTask,
      ratio: tasksPerSecond / (raw / messagesPerTask),
      runningMsP50: median(runningMs),
      runningMsP99: percentile(runningMs, 99),
      halfRate: {
        tasksPerSecond: halfPerSecond,
        p50: median(halfMs),
        p99: percentile(halfMs, 99),
      },
      shares: weights.map((weight, index) => {
        const [share, ideal] = [sums[index]! / total, weight / weightSum]
        return { weight, share, ideal, error: Math.abs(share / ideal - 1) }
      }),
      masterCpuMsPerTask: (cpuMs - cpu) / counted,
      masterMiB: rssBytes / 2 ** 20,
    }
  } finally {
    await bench.stop()
  }
}

async function end(
  all: ReadonlyArray<{ readonly stream: TaskStream; readonly scheduler: LightScheduler }>,
): Promise<void> {
  await Promise.all(all.map(({ stream }) => stream.stop()))
  await Promise.all(all.map(({ scheduler }) => scheduler.teardown()))
}

// ---- report

const report = await run()
if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
else {
  const style = { head: [], border: [] }
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`
  const facts = new Table({ head: ['', 'figure', 'target', 'Mesos'], style })
  const { halfRate } = report
  facts.push(
    ['tasks finished', String(report.tasks), '', ''],
    ['tasks/s', report.tasksPerSecond.toFixed(0), '3750', 'under 1000'],
    [
      'limit (bare NATS), ratio',
      `${report.rawTasksPerSecond.toFixed(0)}, ${percent(report.ratio)}`,
      '',
      '',
    ],
    [
      'ACCEPT to RUNNING, p50 / p99 ms',
      `${report.runningMsP50.toFixed(1)} / ${report.runningMsP99.toFixed(1)}`,
      '',
      '',
    ],
    [
      `same at half the rate (${halfRate.tasksPerSecond.toFixed(0)}/s)`,
      `${halfRate.p50.toFixed(1)} / ${halfRate.p99.toFixed(1)}`,
      'p99 50 ms',
      '',
    ],
    ['master CPU-ms/task', report.masterCpuMsPerTask.toFixed(3), '', '1.1-1.5'],
    ['master resident MiB', report.masterMiB.toFixed(0), '', ''],
  )
  process.stdout.write(`${facts}\n`)
  const shares = new Table({
    head: ['weight', 'share', 'weighted DRF', 'off by (target 2 %)'],
    style,
  })
  for (const { weight, share, ideal, error } of report.shares) {
    shares.push([String(weight), percent(share), percent(ideal), percent(error)])
  }
  process.stdout.write(`${shares}\n`)
}
