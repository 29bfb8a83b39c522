/**
 * What a framework keeps at agents beside its tasks: it reserves disk, makes volumes of it, and gives both
 * back, one operation at an offer. Spec: simulation.md §7; resources.md §6.
 */
import type { Offer, OfferOperation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import type { OperationState, OperationStatus } from '../../protocol/v1/status.ts'
import { operations } from '../../src/framework/index.ts'
import type { Random } from '../../src/runtime/ports.ts'

const megabytes = 32

/** After these nothing more happens to an operation. */
const ends: ReadonlySet<OperationState> = new Set<OperationState>([
  'OPERATION_FINISHED',
  'OPERATION_FAILED',
  'OPERATION_ERROR',
  'OPERATION_DROPPED',
  'OPERATION_GONE_BY_OPERATOR',
  'OPERATION_UNKNOWN',
])

export class Keeper {
  readonly #role: string
  readonly #draw: Random
  #count = 0
  /** Operations whose end was not told, and their agents. */
  readonly #open = new Map<string, string>()

  constructor(role: string, draw: Random) {
    this.#role = role
    this.#draw = draw
  }

  /** The operations that have not ended, and their agents. */
  get open(): ReadonlyMap<string, string> {
    return this.#open
  }

  /** A new instance of the scheduler asks about none of them. */
  forget(): void {
    this.#open.clear()
  }

  /** What it wants of this offer, if anything. */
  operationFor(offer: Offer): OfferOperation | undefined {
    if (this.#draw.int(2) === 0) return undefined
    const id = `${this.#role}-${this.#count++}`
    const operation = this.#operation(id, offer.resources ?? [])
    if (operation !== undefined) this.#open.set(id, offer.agent_id.value)
    return operation
  }

  heard({ operation_id, state }: OperationStatus): void {
    if (ends.has(state)) this.#open.delete(operation_id?.value ?? '')
  }

  #operation(id: string, resources: readonly Resource[]): OfferOperation | undefined {
    const disks = resources.filter(({ name }) => name === 'disk')
    const own = disks.filter(({ reservations = [] }) => reservations.at(-1)?.role === this.#role)
    const volume = own.find(({ disk }) => disk?.persistence !== undefined)
    const isLong = this.#draw.int(2) === 0
    if (volume !== undefined && isLong) {
      const name = volume.disk?.persistence?.id ?? ''
      const made = operations.volume(name, volume.scalar?.value ?? 0, this.#role, 'data')
      return operations.destroy([made], id)
    }
    const reserved = own.find(({ disk, scalar }) => !disk && (scalar?.value ?? 0) >= megabytes)
    const piece = operations.reserved('disk', megabytes, this.#role)
    if (reserved !== undefined && isLong)
      return operations.create([operations.volume(id, megabytes, this.#role, 'data')], id)
    if (reserved !== undefined) return operations.unreserve([piece], id)
    const free = disks.find(({ reservations = [] }) => reservations.length === 0)
    return (free?.scalar?.value ?? 0) < megabytes ? undefined : operations.reserve([piece], id)
  }
}
