/**
 * Resources as text: the grammar of `--resources`, and the rendering for logs and error messages.
 * Spec: resources.md §2.2, §2.4.
 */
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { err, ok } from '../../protocol/result.ts'
import { type DiskInfo, type ReservationInfo, Resource } from '../../protocol/v1/resources.ts'
import type { Resources } from './collection.ts'
import { type Checked, type Fault, fault, firstFault } from './fault.ts'
import { upgrade } from './formats.ts'
import {
  isDynamicallyReserved,
  isPersistentVolume,
  isRevocable,
  topReservation,
} from './resource.ts'
import { validateResource } from './validation.ts'
import { formatValue, parseValue } from './value-text.ts'

const documentList = Compile(Type.Array(Resource))

/**
 * What `--resources` says: `cpus:4;mem(eng):8192;ports:[31000-32000]`, or a JSON array of Mesos v1
 * `Resource` documents. The list is canonical but not merged, and it keeps what is 0, because a name
 * that is mentioned with 0 is not detected. Reading `file://` is the caller's work.
 *
 * Refuses what breaks R1-R13 and what a command line may not say: volumes, revocable resources,
 * dynamic reservations, one name with two types.
 */
export function parseResources(text: string, defaultRole = '*'): Checked<Resource[]> {
  const list = text.trimStart().startsWith('[') ? parseJson(text) : parseSimple(text)
  if (!list.ok) return list
  const withRoles = list.value.map((resource) =>
    resource.role === undefined && (resource.reservations ?? []).length === 0
      ? { ...resource, role: defaultRole }
      : resource,
  )
  const problem = firstFault(withRoles, '', validateResource)
  if (problem !== undefined) return err(problem)
  const canonical = withRoles.map(upgrade)
  const restricted = commandLineFault(canonical)
  return restricted === undefined ? ok(canonical) : err(restricted)
}

/**
 * The text that `parseResources` reads back, for resources that came from there: the simple grammar
 * where it can say them all, JSON otherwise.
 */
export function printResources(list: readonly Resource[]): string {
  if (!list.every(isSimple)) return JSON.stringify(list)
  return list
    .map((resource) => {
      const role = topReservation(resource)?.role
      const name = role === undefined ? resource.name : `${resource.name}(${role})`
      return `${name}:${formatValue(resource)}`
    })
    .join(';')
}

/** All that identifies the resource, and its value, on one line for people. */
export function formatResource(resource: Resource): string {
  const { allocation_info, reservations = [], disk } = resource
  const parts = [resource.name]
  if (allocation_info !== undefined) parts.push(`(allocated: ${allocation_info.role ?? ''})`)
  if (reservations.length > 0) {
    parts.push(`(reservations: [${reservations.map(formatReservation).join(',')}])`)
  }
  if (disk !== undefined) parts.push(`[${formatDisk(disk)}]`)
  if (resource.revocable !== undefined) parts.push('{REV}')
  if (resource.shared !== undefined) parts.push('<SHARED>')
  return `${parts.join('')}:${formatValue(resource)}`
}

/** `cpus:4; mem:8192`; `nothing` for an empty collection. */
export function formatResources(collection: Resources): string {
  return collection.length === 0 ? 'nothing' : collection.map(formatResource).join('; ')
}

function parseJson(text: string): Checked<Resource[]> {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    return err(fault('PARSE', '', `not a JSON array: ${(error as Error).message}`))
  }
  if (documentList.Check(document)) return ok(document)
  const [first] = documentList.Errors(document)
  const place = (first?.instancePath ?? '').replace(/^\//, '').replaceAll('/', '.')
  return err(fault('PARSE', place, first?.message ?? 'must be an array of resources'))
}

function parseSimple(text: string): Checked<Resource[]> {
  const list: Resource[] = []
  for (const item of text.split(';').filter((piece) => piece.trim() !== '')) {
    const resource = parseItem(item.trim())
    if (!resource.ok) return resource
    list.push(resource.value)
  }
  return ok(list)
}

/** `name(role):value`; empty pieces between colons do not count. */
function parseItem(item: string): Checked<Resource> {
  const pieces = item.split(':').filter((piece) => piece !== '')
  const [head, amount] = pieces
  if (pieces.length !== 2 || head === undefined || amount === undefined) {
    return err(fault('PARSE', '', `'${item}' must be name:value or name(role):value`))
  }
  const value = parseValue(amount)
  if (!value.ok) return err({ ...value.error, message: `in '${item}': ${value.error.message}` })
  const name = /^([^()]*)(?:\(([^()]*)\))?$/.exec(head.trim())
  if (name === null) {
    return err(fault('PARSE', '', `'${head.trim()}' must be name or name(role)`))
  }
  // Text has no place in a resource; R6 says so, with the name at hand.
  const { text: _, ...document } = value.value
  const role = name[2]?.trim()
  const resource: Resource = { name: name[1]!.trim(), ...document }
  return ok(role === undefined ? resource : { ...resource, role })
}

function commandLineFault(list: readonly Resource[]): Fault | undefined {
  const types = new Map<string, string>()
  return firstFault(list, '', (resource) => {
    if (isPersistentVolume(resource)) return refuse('disk.persistence', 'persistent volumes')
    if (isRevocable(resource)) return refuse('revocable', 'revocable resources')
    if (isDynamicallyReserved(resource)) return refuse('reservations', 'dynamic reservations')
    const type = types.get(resource.name) ?? resource.type
    types.set(resource.name, type)
    if (type === resource.type) return undefined
    return fault(
      'PARSE',
      'type',
      `'${resource.name}' must not be both ${type} and ${resource.type}`,
    )
  })
}

function refuse(place: string, what: string): Fault {
  return fault('PARSE', place, `${what} cannot be given on the command line`)
}

function isSimple(resource: Resource): boolean {
  const { reservations = [], disk, revocable, shared, provider_id, allocation_info } = resource
  const [bottom] = reservations
  return (
    disk === undefined &&
    revocable === undefined &&
    shared === undefined &&
    provider_id === undefined &&
    allocation_info === undefined &&
    reservations.length <= 1 &&
    (bottom === undefined ||
      (bottom.type === 'STATIC' &&
        bottom.principal === undefined &&
        bottom.labels === undefined &&
        !/[:;()]/.test(bottom.role ?? ''))) &&
    resource.name === resource.name.trim() &&
    !/[:;()]|^\[/.test(resource.name) &&
    (resource.set?.item ?? []).every((item) => !/[{}[\](),:;\s]|^$/.test(item))
  )
}

function formatReservation({ type, role, principal, labels }: ReservationInfo): string {
  const parts = [type ?? 'UNKNOWN', role ?? '']
  if (principal !== undefined) parts.push(principal)
  if (labels !== undefined) {
    const pairs = (labels.labels ?? []).map(({ key, value }) =>
      value === undefined ? key : `${key}: ${value}`,
    )
    parts.push(`{${pairs.join(', ')}}`)
  }
  return `(${parts.join(',')})`
}

/** `MOUNT:/mnt/a,v1:/data`: the source, then the persistence id and where it is mounted. */
function formatDisk({ source, persistence, volume }: DiskInfo): string {
  const parts: string[] = []
  if (source !== undefined) {
    const detail = source.path?.root ?? source.mount?.root ?? source.id ?? source.profile
    parts.push(detail === undefined ? source.type : `${source.type}:${detail}`)
  }
  if (persistence !== undefined) {
    const path = volume === undefined ? '' : `:${volume.container_path}`
    parts.push(`${persistence.id}${path}`)
  }
  return parts.join(',')
}
