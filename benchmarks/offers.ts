/**
 * Offers per second, end to end: a broker, a master, simulated agents and frameworks that decline every
 * offer at once, all in processes of their own but for the frameworks, which share this one. Frameworks
 * are bare clients (support/light-scheduler.ts), so that the master is what is measured.
 *
 *     node dist/benchmarks/offers.js [--quick] [--json] [--agents N] [--frameworks N] [--profile DIR] [--report DIR]
 *
 * The figures are kept as offers.json, and drawn as offers.svg, in the report folder: by default
 * `reports`, none with `--quick`.
 *
 * The limit beside each figure: as many bytes in equal messages from a bare client to another one, counted
 * in offers. Declines carry no filter, so each agent is offered once in every round of allocation: there
 * cannot be more than agents / 10 ms.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import type { Offer } from '../protocol/v1/offer.ts'
import {
  agentsAdded,
  type BenchCluster,
  type BenchNode,
  simulatedAgentsModule,
  startBenchCluster,
} from './support/bench-cluster.ts'
import { type LightScheduler, lightScheduler } from './support/light-scheduler.ts'
import { rawThroughput } from './support/raw-nats.ts'
import { type Chart, writeReport } from './support/report.ts'
import { inWindows, median, percentile, spread } from './support/statistics.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** One size only. */
    agents: { type: 'string' },
    frameworks: { type: 'string' },
    /** Where the master leaves a CPU profile at its end. */
    profile: { type: 'string' },
    report: { type: 'string' },
  },
})
const { quick, json } = flags
const reportFolder = flags.report ?? (quick ? undefined : 'reports')
const agentCounts = flags.agents
  ? [Number(flags.agents)]
  : quick
    ? [100, 1000]
    : [100, 1000, 10_000]
const frameworkCounts = flags.frameworks
  ? [Number(flags.frameworks)]
  : quick
    ? [1, 10]
    : [1, 10, 100]
const windows = quick ? { count: 5, ms: 200 } : { count: 5, ms: 1000 }
const rawWindows = { count: 5, ms: quick ? 100 : 200 }
const allocationIntervalMs = 10
/** Agents that one process simulates. */
const agentsPerProcess = 5000

/** First targets and what Mesos' master does, offers/s; keyed by agents x frameworks. */
const references: Record<string, { readonly target?: number; readonly mesos?: number }> = {
  '100 x 1': { mesos: 6600 },
  '100 x 10': { mesos: 4800 },
  '1000 x 1': { target: 20_000, mesos: 8800 },
  '1000 x 10': { target: 20_000 },
  '10000 x 100': { target: 20_000 },
}

interface Registration {
  readonly agents: number
  readonly seconds: number
  readonly masterMiB: number
  /** Growth of the master's resident memory by the agents; garbage included. */
  readonly kiBPerAgent: number
}

interface Figures {
  readonly agents: number
  readonly frameworks: number
  readonly offersPerSecond: number
  readonly spread: number
  /** From publishing a decline to hearing of the same agent again, ms. */
  readonly againMsP50: number
  readonly againMsP99: number
  readonly offersPerEvent: number
  readonly bytesPerEvent: number
  /** What the master works for an offer made and declined, CPU-µs: steadier than the rate on a busy machine. */
  readonly masterMicros: number
  /** Of one core. */
  readonly masterCpu: number
  readonly brokerCpu: number
  readonly ownCpu: number
  readonly rawOffersPerSecond: number
  readonly ratio: number
}

/** Counts offers, declines them, and times how long a sample of agents takes to come back. */
class Decliner {
  offers = 0
  events = 0
  bytes = 0
  readonly againMs: number[] = []
  readonly #declinedAt = new Map<string, number>()

  readonly receive = (offers: readonly Offer[], scheduler: LightScheduler, bytes: number): void => {
    const now = performance.now()
    this.offers += offers.length
    this.events++
    this.bytes += bytes
    for (const { agent_id } of offers) {
      const at = this.#declinedAt.get(agent_id.value)
      if (at === undefined) continue
      this.againMs.push(now - at)
      this.#declinedAt.delete(agent_id.value)
    }
    scheduler.decline(offers, 0)
    const [sample] = offers
    if (sample !== undefined) this.#declinedAt.set(sample.agent_id.value, performance.now())
  }

  reset(): void {
    this.offers = this.events = this.bytes = 0
    this.againMs.length = 0
  }
}

async function measure(
  bench: BenchCluster,
  master: BenchNode,
  agents: number,
  frameworks: number,
): Promise<Figures> {
  const decliner = new Decliner()
  const schedulers = await Promise.all(
    Array.from({ length: frameworks }, (_, index) =>
      lightScheduler(bench.nats, bench.cluster, `framework-${agents}-${frameworks}-${index}`, {
        offers: decliner.receive,
      }),
    ),
  )
  // Until all of them get their share.
  const warm = () => decliner.offers >= 3 * agents
  while (!warm()) await new Promise((resolve) => setTimeout(resolve, 10))
  decliner.reset()
  const processes = [() => master.usage(), () => bench.broker.usage(), ownUsage]
  const [begin, before] = [performance.now(), processes.map((usage) => usage().cpuMs)]
  const rates = await inWindows(windows, () => decliner.offers)
  const elapsedMs = performance.now() - begin
  const cpu = processes.map((usage, index) => (usage().cpuMs - before[index]!) / elapsedMs)
  const { offers, events, bytes, againMs } = decliner
  for (const scheduler of schedulers) await scheduler.teardown()
  const bytesPerEvent = Math.round(bytes / events)
  const raw = median(await rawThroughput(bench.nats, bench.url, bytesPerEvent, rawWindows))
  const rawOffersPerSecond = raw * (offers / events)
  return {
    agents,
    frameworks,
    offersPerSecond: median(rates),
    spread: spread(rates),
    againMsP50: median(againMs),
    againMsP99: percentile(againMs, 99),
    offersPerEvent: offers / events,
    bytesPerEvent,
    masterMicros: (cpu[0]! * elapsedMs * 1000) / offers,
    masterCpu: cpu[0]!,
    brokerCpu: cpu[1]!,
    ownCpu: cpu[2]!,
    rawOffersPerSecond,
    ratio: median(rates) / rawOffersPerSecond,
  }
}

function ownUsage() {
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1000 }
}

/** Starts a master and registers the agents with it. */
async function register(bench: BenchCluster, agents: number) {
  const options = ['--work-dir', bench.directory()]
  options.push('--allocation-interval-ms', String(allocationIntervalMs))
  const execArgv = flags.profile ? ['--cpu-prof', `--cpu-prof-dir=${flags.profile}`] : []
  const master = await bench.start('master', options, { execArgv })
  const before = master.usage().rssBytes
  const processes = Math.ceil(agents / agentsPerProcess)
  let at = 0
  await agentsAdded(bench, agents, async () => {
    const each = ['--count', String(agents / processes), '--registration-backoff-ms', '0']
    await Promise.all(
      Array.from({ length: processes }, () => bench.start(simulatedAgentsModule, each)),
    )
    at = performance.now()
  })
  const seconds = (performance.now() - at) / 1000
  const { rssBytes } = master.usage()
  const registration: Registration = {
    agents,
    seconds,
    masterMiB: rssBytes / 2 ** 20,
    kiBPerAgent: (rssBytes - before) / 1024 / agents,
  }
  return { master, registration }
}

// ---- report

const figures: Figures[] = []
const registrations: Registration[] = []
for (const agents of agentCounts) {
  const bench = await startBenchCluster()
  try {
    const { master, registration } = await register(bench, agents)
    registrations.push(registration)
    for (const frameworks of frameworkCounts) {
      figures.push(await measure(bench, master, agents, frameworks))
    }
  } finally {
    await bench.stop()
  }
}

function chartOf(all: readonly Figures[]): Chart {
  const groups = all.map(({ agents, frameworks }) => `${agents} x ${frameworks}`)
  return {
    title: 'Offers, end to end: agents x frameworks',
    groups,
    panels: [
      {
        label: 'offers/s',
        bars: [
          { name: 'measured', values: all.map((one) => one.offersPerSecond) },
          { name: 'limit: bare NATS', values: all.map((one) => one.rawOffersPerSecond) },
          { name: 'target', values: groups.map((key) => references[key]?.target ?? null) },
          { name: "Mesos' master", values: groups.map((key) => references[key]?.mesos ?? null) },
        ],
      },
      {
        label: 'ms from DECLINE to the next offer',
        bars: [
          { name: 'median', values: all.map((one) => one.againMsP50) },
          { name: '99th percentile', values: all.map((one) => one.againMsP99) },
        ],
      },
    ],
  }
}

const thousands = (value: number | undefined) =>
  value === undefined ? '' : `${(value / 1000).toFixed(1)} k`
const percent = (value: number) => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`

const result = { benchmark: 'offers', figures, registrations }
if (reportFolder !== undefined) {
  const paths = writeReport(reportFolder, 'offers', result, chartOf(figures))
  process.stderr.write(`written: ${paths.join(', ')}\n`)
}
if (json) {
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
} else {
  const offers = new Table({
    head: [
      'agents x frameworks',
      'offers/s',
      'target',
      'Mesos',
      'raw NATS',
      'ratio',
      'again p50 / p99 ms',
      'offers/event',
      'master µs/offer',
      'CPU master / broker / frameworks',
    ],
    style: { head: [], border: [] },
  })
  for (const one of figures) {
    const key = `${one.agents} x ${one.frameworks}`
    const { target, mesos } = references[key] ?? {}
    offers.push([
      key,
      `${thousands(one.offersPerSecond)} ± ${percent(one.spread)}`,
      thousands(target),
      thousands(mesos),
      thousands(one.rawOffersPerSecond),
      percent(one.ratio),
      `${one.againMsP50.toFixed(1)} / ${one.againMsP99.toFixed(1)}`,
      one.offersPerEvent.toFixed(0),
      one.masterMicros.toFixed(1),
      [one.masterCpu, one.brokerCpu, one.ownCpu].map(percent).join(' / '),
    ])
  }
  const memory = new Table({
    head: ['agents', 'registered in s', 'master MiB', 'KiB/agent'],
    style: { head: [], border: [] },
  })
  for (const one of registrations) {
    memory.push([
      one.agents,
      one.seconds.toFixed(2),
      one.masterMiB.toFixed(0),
      one.kiBPerAgent.toFixed(1),
    ])
  }
  process.stdout.write(`${offers}\n${memory}\n`)
}
