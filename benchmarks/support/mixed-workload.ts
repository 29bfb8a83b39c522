/**
 * MultiFrameworkAllocations: frameworks of three kinds on 80 large agents, all of which begin with nothing
 * and launch what they are offered room for, until each has all its tasks. Spec: allocator.md §16.
 */
import {
  type FrameworkOptions,
  RecoverResources,
  type Share,
  SuppressOffers,
  UseResources,
} from '../../protocol/allocator.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import { contains, resources, subtract } from '../../src/resources/index.ts'
import {
  type AllocatorWorld,
  agent,
  allocatorWorld,
  framework,
  type NewAgent,
  scalar,
} from './allocator-world.ts'
import type { Line } from './bookkeeping-cases.ts'

interface Kind {
  readonly name: string
  readonly count: number
  /** All frameworks of the kind have this one; each has one of its own if undefined. */
  readonly role?: string
  readonly tasks: number
  readonly task: readonly Resource[]
  readonly perOffer: number
}

const kinds: readonly Kind[] = [
  { name: 'marathon', count: 4, tasks: 4000, task: request(0.07, 400), perOffer: 100 },
  { name: 'jenkins', count: 500, role: 'roleB', tasks: 5, task: request(0.1, 4000), perOffer: 1 },
  { name: 'spark', count: 50, tasks: 20, task: request(1, 1000), perOffer: 5 },
]
const AGENTS = 80
const CPUS = 64
const LIMIT_MS = 30_000

/** A framework that still has tasks to launch. */
interface Launcher {
  readonly options: FrameworkOptions
  readonly kind: Kind
  left: number
}

/** `scale` divides the number of tasks that each framework has. */
export async function mixedWorkload(scale: number): Promise<Line[]> {
  const launchers = new Map<string, Launcher>()
  for (const kind of kinds) {
    for (let i = 0; i < kind.count; i++) {
      const id = `${kind.name}-${i}`
      const options = framework(id, [kind.role ?? id])
      launchers.set(id, { options, kind, left: Math.ceil(kind.tasks / scale) })
    }
  }
  const world = await allocatorWorld()
  try {
    const total = [scalar('cpus', CPUS), scalar('mem', 488_000)]
    await world.addFrameworks([...launchers.values()].map(({ options }) => options))
    const agents = Array.from({ length: AGENTS }, (_, i) => agent(`agent-${i}`, total))
    return [await runAll(world, launchers, agents)]
  } finally {
    await world.stop()
  }
}

async function runAll(
  world: AllocatorWorld,
  launchers: ReadonlyMap<string, Launcher>,
  agents: readonly NewAgent[],
): Promise<Line> {
  let [rounds, offers, launched, ms, cpuMs, cpus] = [0, 0, 0, 0, 0, 0]
  const unfinished = new Set(launchers.values())
  const until = performance.now() + LIMIT_MS
  while (unfinished.size > 0 && performance.now() < until) {
    const cycle = rounds === 0 ? await world.cycleWith(agents) : await world.cycle()
    rounds++
    offers += cycle.shares.length
    ms += cycle.ms
    cpuMs += cycle.cpuMs
    for (const share of cycle.shares) {
      const launcher = launchers.get(share.framework_id)!
      const count = launch(world, launcher, share)
      launched += count
      cpus += count * (launcher.kind.task[0]?.scalar?.value ?? 0)
      if (launcher.left > 0 || !unfinished.delete(launcher)) continue
      world.send(SuppressOffers, { framework_id: share.framework_id, roles: [] })
    }
    await world.handled()
  }
  const used = ((100 * cpus) / (AGENTS * CPUS)).toFixed(1)
  const result = `${launched} tasks in ${rounds} rounds, ${offers} offers, ${used} % of cpus used`
  return { what: 'rounds until all tasks run', count: Math.max(1, offers), ms, cpuMs, result }
}

/** Uses a part of a share for tasks and gives the rest back. Returns how many they are. */
function launch(world: AllocatorWorld, launcher: Launcher, share: Share): number {
  const { task, perOffer } = launcher.kind
  const each = resources(task)
  let rest = resources(share.resources)
  let count = 0
  while (count < perOffer && launcher.left > 0 && contains(rest, each)) {
    rest = subtract(rest, each)
    launcher.left--
    count++
  }
  // Of one share, what is not given back is in use.
  world.send(UseResources, { shares: [share] })
  const shares = [{ ...share, resources: [...rest] }]
  if (rest.length > 0) world.send(RecoverResources, { shares, used: false })
  return count
}

function request(cpus: number, mem: number): Resource[] {
  return [scalar('cpus', cpus), scalar('mem', mem)]
}
