/**
 * What agents and running tasks take of the master's memory: simulated agents register, then tasks are
 * launched that do not end. Beside what is resident stands what is left after a garbage collection, and
 * what each agent and task takes of that.
 *
 *     node dist/benchmarks/memory.js [--quick] [--json] [--agents N] [--spread-ms N] [--tasks N]
 *
 * The agents come all at once, and where there are many also over 20 s (`--spread-ms`), as those of a fleet do
 * that is switched on.
 *
 * The limit: the bytes of what the agent says of itself, and of the task's description, in msgpack.
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { encode } from '../protocol/codec.ts'
import {
  agentsAdded,
  type BenchCluster,
  type Memory,
  simulatedAgentsModule,
  startBenchCluster,
} from './support/bench-cluster.ts'
import { lightScheduler } from './support/light-scheduler.ts'
import { TaskStream } from './support/task-stream.ts'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    agents: { type: 'string' },
    'spread-ms': { type: 'string' },
    tasks: { type: 'string' },
  },
})
const { quick, json } = flags
const { agents: agentsOnly, 'spread-ms': spreadOnly = '0' } = flags
/** How many agents, and the time over which they come, ms. */
const cases: ReadonlyArray<readonly [number, number]> = agentsOnly
  ? [[Number(agentsOnly), Number(spreadOnly)]]
  : quick
    ? [[1000, 0]]
    : [
        [10_000, 0],
        [50_000, 0],
        [50_000, 20_000],
      ]
/** In all; the agents have room for so many each. */
const tasks = Number(flags.tasks ?? (quick ? 2000 : 50_000))
const agentsPerProcess = 10_000
/** On a machine that others use too, a master may wait for seconds until it has its turn. */
const leaseMs = 20_000

interface Figures {
  readonly agents: number
  readonly spreadMs: number
  readonly tasks: number
  readonly registeredSeconds: number
  /** Of the master while they register, CPU-s. */
  readonly registeredCpuSeconds: number
  /** Of a master without agents. */
  readonly emptyRssMiB: number
  /** When all are registered, before a collection, and the most until then. */
  readonly rssMiB: number
  readonly peakMiB: number
  readonly collected: {
    readonly rssMiB: number
    readonly heapMiB: number
    readonly externalMiB: number
  }
  readonly agentKiB: number
  readonly agentLimitKiB: number
  readonly taskKiB: number
  readonly taskLimitKiB: number
}

/** What is alive, in KiB. */
function aliveKiB({ heapBytes, externalBytes }: Memory): number {
  return (heapBytes + externalBytes) / 1024
}

/** The most that a process has had in memory so far, bytes, as Linux tells; not a number elsewhere. */
function peakBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
  } catch {
    return Number.NaN
  }
}

async function measure(bench: BenchCluster, agents: number, spreadMs: number): Promise<Figures> {
  const options = ['--work-dir', bench.directory(), '--lease-ms', String(leaseMs)]
  // Each task is acknowledged, in calls that come together.
  options.push('--max-queued-calls-per-framework', '200000')
  const master = await bench.start('master', options, { probe: 'memory' })
  const empty = await master.memory()
  const { cpuMs } = master.usage()
  const at = performance.now()
  const processes = Math.ceil(agents / agentsPerProcess)
  const fleet = [
    '--count',
    String(agents / processes),
    '--registration-backoff-ms',
    String(spreadMs),
  ]
  await agentsAdded(bench, agents, () =>
    Promise.all(
      Array.from({ length: processes }, () =>
        bench.start(simulatedAgentsModule, [...fleet, '--task-ms', '-1']),
      ),
    ),
  )
  const registeredSeconds = (performance.now() - at) / 1000
  const used = master.usage()
  const peak = peakBytes(master.pid)
  const full = await master.memory()
  const launched = await launch(bench)
  const busy = await master.memory()
  return {
    agents,
    spreadMs,
    tasks,
    registeredSeconds,
    registeredCpuSeconds: (used.cpuMs - cpuMs) / 1000,
    emptyRssMiB: empty.rssBytes / 2 ** 20,
    rssMiB: used.rssBytes / 2 ** 20,
    peakMiB: peak / 2 ** 20,
    collected: {
      rssMiB: full.rssBytes / 2 ** 20,
      heapMiB: full.heapBytes / 2 ** 20,
      externalMiB: full.externalBytes / 2 ** 20,
    },
    agentKiB: (aliveKiB(full) - aliveKiB(empty)) / agents,
    agentLimitKiB: launched.agentBytes / 1024,
    taskKiB: (aliveKiB(busy) - aliveKiB(full)) / tasks,
    taskLimitKiB: launched.taskBytes / 1024,
  }
}

/** Resolves when all tasks run, with what the master must know at the least, bytes in msgpack. */
async function launch(bench: BenchCluster) {
  const stream = new TaskStream({
    name: 'task',
    inFlight: tasks,
    perOffer: 10,
    each: { cpus: 1, mem: 32 },
    command: 'sleep 1000',
    refuseSeconds: 0,
  })
  let agentBytes = 0
  let taskBytes = 0
  let suppressed = false
  const scheduler = await lightScheduler(bench.nats, bench.cluster, 'memory', {
    update: stream.update,
    offers(offers) {
      const [sample] = offers
      if (sample !== undefined && agentBytes === 0) {
        const { hostname, agent_id, resources } = sample
        agentBytes = encode({ hostname, id: agent_id, resources }).length
      }
      stream.offers(offers, {
        ...scheduler,
        accept(accepted, operations, refuseSeconds) {
          const [task] = operations[0]?.launch?.task_infos ?? []
          if (task !== undefined && taskBytes === 0) taskBytes = encode(task).length
          scheduler.accept(accepted, operations, refuseSeconds)
        },
      })
      if (stream.inFlight < tasks || suppressed) return
      suppressed = true
      scheduler.suppress()
    },
  })
  while (stream.runningMs.length < tasks) await new Promise((resolve) => setTimeout(resolve, 50))
  // What is offered still is not the tasks': it goes back before the memory is measured.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  return { agentBytes, taskBytes }
}

// ---- report

const figures: Figures[] = []
for (const [agents, spreadMs] of cases) {
  const bench = await startBenchCluster()
  try {
    figures.push(await measure(bench, agents, spreadMs))
  } finally {
    await bench.stop()
  }
}

if (json) process.stdout.write(`${JSON.stringify({ benchmark: 'memory', figures }, null, 2)}\n`)
else {
  const table = new Table({
    head: [
      'agents',
      'coming over s',
      'registered in s (CPU)',
      'resident MiB (target 400)',
      'at most',
      'after a collection',
      'of it heap / buffers',
      'KiB/agent (target 6)',
      'said in KiB',
      'KiB/task (target 2)',
      'said in KiB',
    ],
    style: { head: [], border: [] },
  })
  for (const one of figures) {
    const { collected } = one
    table.push([
      one.agents,
      one.spreadMs / 1000,
      `${one.registeredSeconds.toFixed(1)} (${one.registeredCpuSeconds.toFixed(1)})`,
      `${one.rssMiB.toFixed(0)}, empty ${one.emptyRssMiB.toFixed(0)}`,
      one.peakMiB.toFixed(0),
      collected.rssMiB.toFixed(0),
      `${collected.heapMiB.toFixed(0)} / ${collected.externalMiB.toFixed(0)}`,
      one.agentKiB.toFixed(2),
      one.agentLimitKiB.toFixed(2),
      one.taskKiB.toFixed(2),
      one.taskLimitKiB.toFixed(2),
    ])
  }
  process.stdout.write(`${table}\n`)
}
