/** Fitting tasks into offers: whole integers of 1/1000, so that sums of fractions come out even. */
import type { Offer } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'

/** What a task asks for. Megabytes for `mem` and `disk`. */
export interface Request {
  readonly cpus: number
  readonly mem: number
  readonly disk?: number
  /** Borrowed resources will do, and are used where there are some: it may be killed at any time. */
  readonly revocable?: boolean
  /** Persistent volumes that it uses. */
  readonly volumes?: readonly VolumeRequest[]
}

export interface VolumeRequest {
  readonly id: string
  /** Where the task sees it, below its sandbox. Default: where it was made to be seen. */
  readonly path?: string
}

const NAMES = ['cpus', 'mem', 'disk'] as const
type Name = (typeof NAMES)[number]

/** A resource of the offer, and how much of it is left. */
interface Piece {
  readonly resource: Resource
  left: number
}

/**
 * What is left of an offer while tasks are put into it: plain scalars, those that are reserved for the
 * role before those that anyone may use; revocable ones; and persistent volumes.
 */
export class Room {
  readonly #own: Record<Name, Piece[]> = { cpus: [], mem: [], disk: [] }
  readonly #lent: Record<Name, Piece[]> = { cpus: [], mem: [], disk: [] }
  readonly #volumes = new Map<string, Resource>()
  /** Under which role the offer was made; its resources must be named so. */
  readonly #role: string | undefined

  constructor(offer: Offer) {
    this.#role = offer.allocation_info?.role
    for (const resource of offer.resources ?? []) {
      const { disk, revocable } = resource
      const name = NAMES.find((each) => each === resource.name)
      if (disk?.persistence !== undefined) this.#volumes.set(disk.persistence.id, resource)
      else if (name !== undefined && disk === undefined) {
        const piece = { resource, left: thousandths(resource.scalar?.value ?? 0) }
        if (revocable !== undefined) this.#lent[name].push(piece)
        else if (isReserved(resource)) this.#own[name].unshift(piece)
        else this.#own[name].push(piece)
      }
    }
  }

  /** Names of what is too little for the request, or not there. Empty: it fits. */
  lacks(request: Request): string[] {
    const scalars = NAMES.filter(
      (name) => thousandths(request[name] ?? 0) > leftOf(this.#pieces(request, name)),
    )
    const volumes = (request.volumes ?? []).filter(({ id }) => !this.#volumes.has(id))
    return [...scalars, ...volumes.map(({ id }) => `volume ${id}`)]
  }

  /** Takes the request, which fits, out of the room, and says it as resources of a task. */
  take(request: Request): Resource[] {
    const resources: Resource[] = []
    for (const name of NAMES) {
      let wanted = thousandths(request[name] ?? 0)
      for (const piece of this.#pieces(request, name)) {
        const taken = Math.min(wanted, piece.left)
        if (taken === 0) continue
        wanted -= taken
        piece.left -= taken
        resources.push({ ...piece.resource, scalar: { value: taken / 1000 } })
      }
    }
    for (const { id, path } of request.volumes ?? []) {
      const volume = this.#volumes.get(id)
      if (volume === undefined) continue
      if (volume.shared === undefined) this.#volumes.delete(id)
      resources.push(path === undefined ? volume : seenAt(volume, path))
    }
    return resources.map((resource) => this.#allocated(resource))
  }

  /** Of one name a task has either revocable resources or others, never both (resources.md §3.5). */
  #pieces({ revocable = false, ...request }: Request, name: Name): readonly Piece[] {
    const lent = this.#lent[name]
    const wanted = thousandths(request[name] ?? 0)
    return revocable && leftOf(lent) >= wanted ? lent : this.#own[name]
  }

  #allocated(resource: Resource): Resource {
    if (this.#role === undefined) return resource
    return { ...resource, allocation_info: { role: this.#role } }
  }
}

function leftOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { left }) => sum + left, 0)
}

function seenAt(volume: Resource, container_path: string): Resource {
  const mode = volume.disk?.volume?.mode ?? 'RW'
  return { ...volume, disk: { ...volume.disk, volume: { mode, container_path } } }
}

function isReserved({ reservations, role }: Resource): boolean {
  return (reservations?.length ?? 0) > 0 || (role !== undefined && role !== '*')
}

function thousandths(value: number): number {
  return Math.round(value * 1000)
}
