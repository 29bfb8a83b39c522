/**
 * The registry over the reigns of all masters (R1, R2): each record is what the last answered change made
 * of it, or one after that whose outcome nobody was told; and only the highest epoch changes it (E2). As all
 * changes of a reign are in one order, a scan decides what a search for a linearization would.
 * Spec: simulation.md §9, §11; replicated-log.md §11, §13.13.
 */
import {
  apply,
  type Change,
  type Contents,
  emptyContents,
} from '../../actors/registrar/registry.ts'
import type { Registry, RegistryOperation } from '../../protocol/registrar.ts'
import { machineKey } from '../../protocol/v1/index.ts'
import { Violation } from './history.ts'

/** One request to a registrar. */
export interface Write {
  readonly changes: readonly Change[]
  isAnswered: boolean
}

/** From one recovery of the registry to the next. */
interface Reign {
  readonly epoch: number
  /** Records as they were recovered, by kind and id, as text. */
  readonly base: ReadonlyMap<string, string>
  /** With all that was asked for since. */
  readonly contents: Contents
  readonly writes: Write[]
}

export class RegistryHistory {
  /** By epoch, lowest first. */
  readonly #reigns: Reign[] = []

  /** A master is told the registry that it begins with. */
  recovered(registry: Registry): void {
    const { epoch } = registry
    if (this.#reigns.some((reign) => reign.epoch === epoch))
      throw new Violation('E2', `the registry was recovered twice under epoch ${epoch}`)
    const contents = contentsOf(registry)
    const reign = { epoch, base: recordsOf(contents), contents, writes: [] }
    this.#reigns.push(reign)
    this.#reigns.sort((one, other) => one.epoch - other.epoch)
    const at = this.#reigns.indexOf(reign)
    check(this.#reigns[at - 1], reign)
    const next = this.#reigns[at + 1]
    if (next !== undefined) check(reign, next)
  }

  /** A registrar gets a request of the master of this epoch; undefined if it has not recovered. */
  asked(epoch: number, operations: readonly RegistryOperation[]): Write | undefined {
    const reign = this.#reigns.find((each) => each.epoch === epoch)
    if (reign === undefined) return undefined
    const changes = operations.flatMap((operation) => apply(reign.contents, operation))
    // What is deleted and put again later in the map must not change with it.
    const write = { changes: structuredClone(changes), isAnswered: false }
    reign.writes.push(write)
    return write
  }

  /** The master is told that it is done; perhaps after another has begun to lead. */
  answered(epoch: number, write: Write): void {
    write.isAnswered = true
    const at = this.#reigns.findIndex((each) => each.epoch === epoch)
    const [reign, next] = this.#reigns.slice(at, at + 2)
    if (next !== undefined) check(reign, next)
  }
}

function check(reign: Reign | undefined, next: Reign): void {
  if (reign === undefined) return
  const possible = new Map<string, Set<string | undefined>>()
  for (const [key, value] of reign.base) possible.set(key, new Set([value]))
  for (const { changes, isAnswered } of reign.writes)
    for (const change of changes) {
      const key = `${change.kind} ${change.id}`
      const after = change.value === undefined ? undefined : textOf(change.value)
      const before = possible.get(key) ?? new Set([undefined])
      possible.set(key, isAnswered ? new Set([after]) : before.add(after))
    }
  for (const key of new Set([...possible.keys(), ...next.base.keys()])) {
    const found = next.base.get(key)
    const allowed = possible.get(key) ?? new Set([undefined])
    if (!allowed.has(found))
      throw new Violation(
        'R2',
        `epoch ${next.epoch} begins with ${key} ${short(found)}; epoch ${reign.epoch} left ${[...allowed].map(short).join(' or ')}`,
      )
  }
}

function contentsOf(registry: Registry): Contents {
  const contents = emptyContents()
  contents.epoch = registry.epoch
  for (const info of registry.admitted) contents.admitted.set(info.id?.value ?? '', info)
  for (const kind of ['unreachable', 'gone'] as const)
    for (const { agent_id, timestamp } of registry[kind])
      contents[kind].set(agent_id.value, timestamp)
  for (const [role, weight] of Object.entries(registry.weights)) contents.weights.set(role, weight)
  for (const { agent_id, drain_info } of registry.drains)
    contents.drains.set(agent_id.value, drain_info)
  for (const { agent_id, ...disk } of registry.disks) contents.disks.set(agent_id.value, disk)
  for (const { value } of registry.deactivated) contents.deactivated.set(value, true)
  for (const machine of registry.machines) contents.machines.set(machineKey(machine.id), machine)
  for (const config of registry.quotas) contents.quotas.set(config.role, config)
  return contents
}

function recordsOf({ epoch: _, ...kinds }: Contents): Map<string, string> {
  const records = new Map<string, string>()
  for (const [kind, all] of Object.entries(kinds))
    for (const [id, value] of all) records.set(`${kind} ${id}`, textOf(value))
  return records
}

/** Equal for equal documents, in whatever order their fields are. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}

function short(text: string | undefined): string {
  return text === undefined ? 'absent' : text.slice(0, 120)
}
