/** Fitting tasks into offers: whole integers of 1/1000, so that sums of fractions come out even. */
import type { Offer } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'

/** What a task asks for. Megabytes for `mem` and `disk`. */
export interface Request {
  readonly cpus: number
  readonly mem: number
  readonly disk?: number
}

const NAMES = ['cpus', 'mem', 'disk'] as const

/** What is left of an offer while tasks are put into it. Only plain, unreserved scalars count. */
export class Room {
  readonly #left: Record<(typeof NAMES)[number], number> = { cpus: 0, mem: 0, disk: 0 }
  /** Under which role the offer was made; its resources must be named so. */
  readonly #role: string | undefined

  constructor(offer: Offer) {
    this.#role = offer.allocation_info?.role
    for (const resource of offer.resources ?? []) {
      const name = NAMES.find((each) => each === resource.name)
      if (name === undefined || !isPlain(resource)) continue
      this.#left[name] += thousandths(resource.scalar?.value ?? 0)
    }
  }

  /** Names of what is too little for the request. Empty: it fits. */
  lacks(request: Request): string[] {
    return NAMES.filter((name) => thousandths(request[name] ?? 0) > this.#left[name])
  }

  /** Takes the request out of the room, and says it as resources of a task. */
  take(request: Request): Resource[] {
    const resources: Resource[] = []
    for (const name of NAMES) {
      const value = request[name] ?? 0
      if (value === 0) continue
      this.#left[name] -= thousandths(value)
      resources.push({
        name,
        type: 'SCALAR',
        scalar: { value },
        ...(this.#role !== undefined && { allocation_info: { role: this.#role } }),
      })
    }
    return resources
  }
}

function isPlain({ reservations, role, disk, revocable, shared }: Resource): boolean {
  const unreserved = (reservations?.length ?? 0) === 0 && (role === undefined || role === '*')
  return unreserved && disk === undefined && revocable === undefined && shared === undefined
}

function thousandths(value: number): number {
  return Math.round(value * 1000)
}
