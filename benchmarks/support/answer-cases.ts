/** What benchmarks/answers.ts measures, part by part. */
import { encode, type Format } from '../../protocol/codec.ts'
import { subjects } from '../../protocol/subjects.ts'
import {
  agentsAdded,
  type BenchCluster,
  type BenchNode,
  simulatedAgentsModule,
  startBenchCluster,
} from './bench-cluster.ts'
import { type LightEvents, lightScheduler } from './light-scheduler.ts'
import { type Latencies, Prober, type Question } from './prober.ts'
import { rawThroughput } from './raw-nats.ts'
import { median, percentile } from './statistics.ts'
import type { Turn } from './turn-probe.ts'

/** One line of the report; times in ms. */
export interface Line {
  readonly what: string
  /** The median, where there are many. */
  readonly ms: number
  readonly p99Ms?: number
  readonly maxMs?: number
  readonly limitMs?: number
  readonly limitP99Ms?: number
  readonly target?: string
  readonly mesos?: string
  readonly turn?: Turn
  readonly count?: number
}

const cluster = 'bench'
const { masterCall, frameworkCall } = subjects(cluster)
const agentsPerProcess = 10_000
const pageBytes = 256 * 1024
/** On a machine that others use too, a master may wait for seconds until it has its turn. */
const leaseMs = 20_000
const requestMs = 60_000

const small: Question = { subject: masterCall, call: { type: 'GET_HEALTH' } }
const bare: Question = { subject: 'probe.echo', call: {} }
const probeId = 'probe'
const frameworks: Question = {
  subject: frameworkCall(probeId),
  call: {
    type: 'DECLINE',
    framework_id: { value: probeId },
    // Offers that are no more are no error.
    decline: { offer_ids: [{ value: 'none' }] },
  },
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs with a broker, a master whose turns are watched, and a prober. */
async function withMaster<T>(
  run: (bench: BenchCluster, master: BenchNode, prober: Prober) => Promise<T>,
): Promise<T> {
  const bench = await startBenchCluster(cluster)
  const prober = await Prober.start(bench.url)
  try {
    const flags = ['--work-dir', bench.directory(), '--lease-ms', String(leaseMs)]
    const master = await bench.start('master', flags, { probe: 'turns' })
    await leads(bench)
    return await run(bench, master, prober)
  } finally {
    prober.stop()
    await bench.stop()
  }
}

/** Resolves when the master answers. */
async function leads({ nats }: BenchCluster): Promise<void> {
  const question = JSON.stringify(small.call)
  const options = { timeout: requestMs }
  while (!(await nats.request(small.subject, question, options).catch(() => undefined))) {
    await pause(20)
  }
}

async function startAgents(bench: BenchCluster, agents: number, flags: readonly string[]) {
  const processes = Math.ceil(agents / agentsPerProcess)
  const fleet = ['--count', String(agents / processes), ...flags]
  await Promise.all(
    Array.from({ length: processes }, () => bench.start(simulatedAgentsModule, fleet)),
  )
}

async function longestTurn(master: BenchNode): Promise<Turn> {
  return (await master.turns()).reduce((left, right) => (left.cpuMs >= right.cpuMs ? left : right))
}

function lineOf(what: string, latencies: Latencies, limit: Latencies, more: Partial<Line>): Line {
  return {
    what,
    ms: median(latencies),
    p99Ms: percentile(latencies, 99),
    maxMs: Math.max(...latencies),
    limitMs: median(limit),
    limitP99Ms: percentile(limit, 99),
    count: latencies.length,
    ...more,
  }
}

/** For so long what was declined for good is not offered again. */
const forGoodSeconds = 3600

/** Small questions during allocation cycles: those that offer nothing, then those that offer everything. */
export async function cyclesPart(quick: boolean): Promise<Line[]> {
  const agents = quick ? 2000 : 50_000
  const contentCount = 10
  const count = quick ? 50 : 1000
  const watchMs = quick ? 1500 : 20_000
  return withMaster(async (bench, master, prober) => {
    const flags = ['--registration-backoff-ms', quick ? '0' : '10000']
    await agentsAdded(bench, agents, () => startAgents(bench, agents, flags))
    // Before it is suppressed it may be offered something.
    const giveBack: LightEvents = {
      offers: (received, scheduler) => scheduler.decline(received, forGoodSeconds),
    }
    const probe = await lightScheduler(bench.nats, cluster, probeId, giveBack, 'probe')
    probe.suppress()
    const questions = { small, frameworks, bare }
    const idle = await prober.during(questions, () => pause(watchMs / 4))

    let offers = 0
    const decliner = (id: string, refuseSeconds: number) =>
      lightScheduler(bench.nats, cluster, id, {
        offers(received, scheduler) {
          offers += received.length
          scheduler.decline(received, refuseSeconds)
        },
      })
    const content = await Promise.all(
      Array.from({ length: contentCount }, (_, n) => decliner(`content-${n}`, forGoodSeconds)),
    )
    while (offers < agents * contentCount) await pause(100)
    await master.turns()
    const runsBefore = await allocationRuns(bench)
    const calm = await prober.during(questions, () => pause(watchMs))
    const runs = await allocationRuns(bench)
    const calmTurn = await longestTurn(master)
    const cycles = `${runs.count - runsBefore.count} cycles of ${runs.ms.toFixed(0)} ms`
    const offerless = `${cycles} over ${agents} agents x ${contentCount} frameworks that want none`
    for (const each of content) each.suppress()

    offers = 0
    const subscribe = (index: number) => decliner(`framework-${index}`, 0)
    // Some at a time: the first ones are offered all agents while the others come.
    for (let at = 0; at < count; at += 50) {
      const length = Math.min(50, count - at)
      await Promise.all(Array.from({ length }, (_, index) => subscribe(at + index)))
    }
    while (offers < agents) await pause(20)
    await master.turns()
    const begin = offers
    const busy = await prober.during(questions, () => pause(watchMs))
    const turn = await longestTurn(master)
    const rate = ((offers - begin) / watchMs) * 1000
    const where = `cycles of ${agents} agents x ${count} frameworks`
    return [
      lineOf(`an operator's question, idle`, idle.small, idle.bare, {}),
      lineOf(`a framework's call, idle`, idle.frameworks, idle.bare, {}),
      lineOf(`an operator's question, ${offerless}`, calm.small, calm.bare, {
        target: '10 ms',
        turn: calmTurn,
      }),
      lineOf(`a framework's call, ${offerless}`, calm.frameworks, calm.bare, { target: '10 ms' }),
      lineOf(`an operator's question, ${where}`, busy.small, busy.bare, { target: '10 ms', turn }),
      lineOf(
        `a framework's call, ${where} (${rate.toFixed(0)} offers/s)`,
        busy.frameworks,
        busy.bare,
        { target: '10 ms' },
      ),
    ]
  })
}

/** How many allocation cycles there were, and what the last one took, ms, without the turns of others. */
async function allocationRuns({ nats }: BenchCluster) {
  const { data } = await nats.request(masterCall, encode({ type: 'GET_METRICS' }, 'json'), {
    timeout: requestMs,
  })
  const { get_metrics } = JSON.parse(Buffer.from(data).toString()) as {
    readonly get_metrics: { readonly metrics: ReadonlyArray<{ name: string; value: number }> }
  }
  const metric = (wanted: string) =>
    get_metrics.metrics.find(({ name }) => name === `allocator/mesos/${wanted}`)?.value ?? 0
  return { count: metric('allocation_runs'), ms: metric('allocation_run_ms') }
}

interface Population {
  readonly agents: number
  readonly frameworks: number
  /** Of each framework on each agent. */
  readonly tasks: number
  readonly target?: string
  readonly mesos?: string
}

function populationFlags({ frameworks, tasks }: Population): string[] {
  return ['--frameworks', String(frameworks), '--tasks', String(tasks)]
}

function nameOf({ agents, frameworks, tasks }: Population): string {
  return frameworks === 0
    ? `${agents} agents`
    : `${agents} agents, ${frameworks} x ${tasks} tasks each`
}

const populations: readonly Population[] = [
  { agents: 10_000, frameworks: 0, tasks: 0, target: '250 ms', mesos: '252 ms' },
  { agents: 1000, frameworks: 5, tasks: 2 },
  { agents: 10_000, frameworks: 5, tasks: 2 },
  { agents: 20_000, frameworks: 5, tasks: 2 },
  { agents: 40_000, frameworks: 5, tasks: 2 },
]

/** The state of a cluster, page by page, and its metrics. */
export async function statePart(quick: boolean): Promise<Line[]> {
  const chosen: readonly Population[] = quick
    ? [{ agents: 300, frameworks: 5, tasks: 2 }]
    : populations
  const lines: Line[] = []
  for (const population of chosen) lines.push(...(await stateOf(population)))
  return lines
}

async function stateOf(population: Population): Promise<Line[]> {
  const { agents, target, mesos } = population
  return withMaster(async (bench, master, prober) => {
    const flags = ['--registration-backoff-ms', '0', ...populationFlags(population)]
    await agentsAdded(bench, agents, () => startAgents(bench, agents, flags))
    const raw = median(await rawThroughput(bench.nats, bench.url, pageBytes, { count: 5, ms: 100 }))
    const lines: Line[] = []
    const measure = async (what: string, more: Partial<Line>, read: () => Promise<number>) => {
      const times: number[] = []
      let bytes = 0
      await read()
      await master.turns()
      const { small: latencies, bare: limit } = await prober.during({ small, bare }, async () => {
        for (let round = 0; round < 5; round++) {
          const at = performance.now()
          bytes = await read()
          times.push(performance.now() - at)
        }
      })
      const turn = await longestTurn(master)
      const limitMs = (bytes / pageBytes / raw) * 1000
      const figures = { ms: median(times), maxMs: Math.max(...times), limitMs, turn }
      const name = `${what} (${(bytes / 2 ** 20).toFixed(1)} MiB), ${nameOf(population)}`
      lines.push({ what: name, ...figures, ...more })
      lines.push(lineOf(`a question meanwhile`, latencies, limit, { target: '10 ms' }))
    }
    const compared = { ...(target && { target }), ...(mesos && { mesos }) }
    await measure('GET_STATE as JSON', compared, () => readPages(bench, 'GET_STATE', 'json'))
    await measure('GET_STATE as msgpack', {}, () => readPages(bench, 'GET_STATE', 'msgpack'))
    await measure('GET_METRICS', {}, () => readPages(bench, 'GET_METRICS', 'json'))
    return lines
  })
}

/** The token at the end of a page, in either format. */
const nextPage = /next_page_token.{1,3}?([0-9a-f]{8}-[0-9a-f-]{27}\.\d+)/s

/** Reads a list to its end; returns its bytes. Nothing is decoded: the master is measured, not its reader. */
async function readPages({ nats }: BenchCluster, type: string, format: Format): Promise<number> {
  let bytes = 0
  let page_token: string | undefined
  do {
    const call = { type, page_size: 10_000, ...(page_token && { page_token }) }
    const { data } = await nats.request(masterCall, encode(call, format), { timeout: requestMs })
    bytes += data.length
    const tail = Buffer.from(data.subarray(-120)).toString('latin1')
    page_token = nextPage.exec(tail)?.[1]
  } while (page_token !== undefined)
  return bytes
}

const returns: readonly Population[] = [
  { agents: 2000, frameworks: 5, tasks: 10, mesos: '950 ms (published)' },
  { agents: 2000, frameworks: 5, tasks: 20 },
  { agents: 20_000, frameworks: 1, tasks: 5, target: '10 s' },
]
/** After it a master has done what it can do beforehand. */
const preparedMs = 6000
/** Of a REREGISTER_AGENT for each of its tasks, about. */
const taskBytes = 600

/** Agents that bring their tasks along, all at once. */
export async function returnPart(quick: boolean): Promise<Line[]> {
  const chosen: readonly Population[] = quick
    ? [{ agents: 500, frameworks: 5, tasks: 10 }]
    : returns
  const lines: Line[] = []
  for (const population of chosen) lines.push(...(await returnOf(population, quick)))
  return lines
}

async function returnOf(population: Population, quick: boolean): Promise<Line[]> {
  const { agents, frameworks: each, tasks, target, mesos } = population
  return withMaster(async (bench, master, prober) => {
    const flags = ['--registration-backoff-ms', '0', ...populationFlags(population)]
    // Who comes to lead has been there for a while, and is prepared.
    if (!quick) await pause(preparedMs)
    let ms = 0
    await master.turns()
    const { small: latencies, bare: limit } = await prober.during({ small, bare }, async () => {
      ms = await agentsAdded(bench, agents, () => startAgents(bench, agents, flags))
    })
    const turn = await longestTurn(master)
    const bytes = each * tasks * taskBytes
    const raw = median(await rawThroughput(bench.nats, bench.url, bytes, { count: 5, ms: 100 }))
    return [
      {
        what: `${nameOf(population)}, from the first to the last one back`,
        ...{ ms, limitMs: (agents / raw) * 1000, turn },
        ...(target && { target }),
        ...(mesos && { mesos }),
      },
      lineOf('a question meanwhile', latencies, limit, { target: '10 ms' }),
    ]
  })
}
