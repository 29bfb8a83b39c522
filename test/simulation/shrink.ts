/**
 * Makes a failing plan small: what can be left out while the same rule fails is left out. Delta debugging
 * (Zeller and Hildebrandt, TSE 2002) over the time, the faults, then hosts, tasks, clocks and the weather.
 * Spec: simulation.md §12.
 */
import type { Plan, Weather } from './plan.ts'
import { type Failure, run } from './run.ts'

export interface Shrunken {
  readonly plan: Plan
  readonly failure: Failure
  /** Runs that it took. */
  readonly runs: number
}

const calmable = [
  'tail',
  'drop',
  'duplicate',
  'reorder',
  'flip',
  'held',
  'commitMs',
  'diskMs',
] as const

/** Stops looking after `cpuMs` of CPU time. */
export async function shrink(
  plan: Plan,
  failure: Failure,
  cpuMs: number,
  perform: (plan: Plan) => Promise<{ readonly failure: Failure | undefined }> = run,
): Promise<Shrunken> {
  const started = process.cpuUsage()
  let best: Shrunken = { plan, failure, runs: 0 }
  let runs = 0
  const isOver = () => {
    const { user, system } = process.cpuUsage(started)
    return (user + system) / 1000 > cpuMs
  }
  const attempt = async (smaller: Plan): Promise<boolean> => {
    if (isOver()) return false
    runs++
    const result = await perform(smaller)
    if (result.failure?.rule !== failure.rule) return false
    best = { plan: smaller, failure: result.failure, runs }
    return true
  }
  await cutHorizon()
  await lessOf('faults', 0)
  await lessOf('orders', 0)
  await lessOf('frameworks', 1)
  await lessOf('agents', 1)
  await lessOf('masters', 1)
  await lessOf('lost', 0)
  await fewerTasks()
  await setClocks()
  for (const name of calmable) await calm(name)
  await lessOf('faults', 0)
  await cutHorizon()
  return { ...best, runs }

  /**
   * What comes after the failure has no part in it; its time is counted from the begin of the boot, before the
   * chaos. What shows only after the chaos may do so after a shorter one.
   */
  async function cutHorizon() {
    const { failure } = best
    if (failure.phase === 'chaos') await endChaosAt(Math.ceil(failure.atMs))
    else
      for (const part of [1 / 2, 3 / 4])
        while (await endChaosAt(Math.ceil(best.plan.chaosMs * part)));
  }

  async function endChaosAt(chaosMs: number): Promise<boolean> {
    const { plan } = best
    if (chaosMs >= plan.chaosMs) return false
    const isBefore = ({ at }: { readonly at: number }) => at <= chaosMs
    const faults = plan.faults.filter(isBefore)
    return attempt({ ...plan, chaosMs, faults, orders: plan.orders.filter(isBefore) })
  }

  /** Leaves out ever smaller parts of one list of the plan; `least` of its items stay. */
  async function lessOf(
    list: 'faults' | 'orders' | 'frameworks' | 'agents' | 'masters' | 'lost',
    least: number,
  ) {
    let size = best.plan[list].length - least
    while (size >= 1 && !isOver()) {
      let from = 0
      while (from < best.plan[list].length && !isOver()) {
        const all: readonly unknown[] = best.plan[list]
        const left = [...all.slice(0, from), ...all.slice(from + size)]
        const isSmaller = left.length >= least && (await attempt({ ...best.plan, [list]: left }))
        if (!isSmaller) from += size
      }
      size = Math.floor(size / 2)
    }
  }

  async function fewerTasks() {
    const halve = (index: number) => {
      const frameworks = best.plan.frameworks.map((each, i) =>
        i === index ? { ...each, tasks: Math.floor(each.tasks / 2) } : each,
      )
      return attempt({ ...best.plan, frameworks })
    }
    for (const [index] of best.plan.frameworks.entries())
      while ((best.plan.frameworks[index]?.tasks ?? 0) > 0 && (await halve(index)));
  }

  async function setClocks() {
    const agents = best.plan.agents.map((agent) => ({ ...agent, offsetMs: 0, speed: 1 }))
    await attempt({ ...best.plan, agents })
  }

  async function calm(name: keyof Weather) {
    const { weather } = best.plan
    if ((weather[name] ?? 0) > 0)
      await attempt({ ...best.plan, weather: { ...weather, [name]: 0 } })
  }
}
