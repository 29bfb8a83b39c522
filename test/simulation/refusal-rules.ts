/**
 * A6: what a framework has declined on an agent is not offered to it while its filter lasts, unless there is
 * more of it, and nothing is offered in roles that it has suppressed. Spec: simulation.md §9; allocator.md §6.
 */
import type { Resource } from '../../protocol/v1/index.ts'
import { contains, resources as resourcesOf } from '../../src/resources/index.ts'
import { Violation } from './history.ts'

/** What an allocation may have been made on before the allocator heard, ms. */
const underWayMs = 1000
/** An allocator forgets some of more filters for one agent. */
const filtersMax = 16

/** Something of an agent for a framework in a role. */
export interface Shown {
  readonly framework_id: string
  readonly role: string
  readonly agent_id: string
  readonly resources: readonly Resource[]
}

interface Filter extends Shown {
  readonly fromMs: number
  readonly untilMs: number
}

/** What one allocator was told. Times are its host's, ms. */
export class Refusals {
  #filters: Filter[] = []
  /** Since when roles are suppressed, by framework; the empty role stands for all. */
  readonly #suppressed = new Map<string, Map<string, number>>()

  refused(share: Shown, refuseMs: number, nowMs: number): void {
    const alive = this.#filters.filter(({ untilMs }) => untilMs > nowMs)
    const own = alive.filter((each) => isFor(each, share))
    this.#filters = own.length < filtersMax ? alive : alive.filter((each) => !isFor(each, share))
    this.#filters.push({ ...share, fromMs: nowMs, untilMs: nowMs + refuseMs })
  }

  suppressed(framework: string, roles: readonly string[], nowMs: number): void {
    const since = this.#suppressed.get(framework) ?? new Map<string, number>()
    this.#suppressed.set(framework, since)
    for (const role of roles.length > 0 ? roles : ['']) if (!since.has(role)) since.set(role, nowMs)
  }

  /** Its refusals are forgotten, and offers are wanted again. */
  revived(framework: string): void {
    this.#suppressed.delete(framework)
    this.#filters = this.#filters.filter(({ framework_id }) => framework_id !== framework)
  }

  /** An agent is another one than was refused. */
  changed(agent: string): void {
    this.#filters = this.#filters.filter(({ agent_id }) => agent_id !== agent)
  }

  /** @throws Violation A6 */
  allocated(share: Shown, nowMs: number): void {
    const { framework_id, role, agent_id } = share
    const since = this.#suppressed.get(framework_id)
    const suppressedMs = since?.get(role) ?? since?.get('') ?? nowMs
    if (nowMs - suppressedMs > underWayMs)
      throw new Violation('A6', `${framework_id} has suppressed ${role}, and gets ${agent_id}`)
    const offered = resourcesOf(share.resources)
    for (const { resources, fromMs, untilMs, ...to } of this.#filters) {
      if (!isFor(to, share) || nowMs >= untilMs || nowMs - fromMs <= underWayMs) continue
      if (contains(resourcesOf(resources), offered))
        throw new Violation('A6', `${framework_id} has refused what it is offered of ${agent_id}`)
    }
  }
}

type To = Omit<Shown, 'resources'>

function isFor(one: To, other: To): boolean {
  return (
    one.framework_id === other.framework_id &&
    one.role === other.role &&
    one.agent_id === other.agent_id
  )
}
