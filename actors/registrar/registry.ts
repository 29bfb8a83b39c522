/**
 * The registry's contents and what each operation changes in them. Pure: an operation is applied to the
 * contents in memory and yields the changes to make durable. Spec: master.md §3, §7;
 * replicated-log.md §11.
 */
import type { Registry, RegistryOperation } from '../../protocol/registrar.ts'
import type { AgentInfo, TimeInfo } from '../../protocol/v1/index.ts'

/** What the registrar knows; the same as on disk, except for what is being written. */
export interface Contents {
  epoch: number
  readonly admitted: Map<string, AgentInfo>
  /** Since when. */
  readonly unreachable: Map<string, TimeInfo>
  readonly gone: Map<string, TimeInfo>
  readonly weights: Map<string, number>
}

/** One kind of record; together with an id it is the key of a record in the store. */
export type Kind = 'admitted' | 'unreachable' | 'gone' | 'weights'

/** A record to write, or to delete where there is no `value`. */
export interface Change {
  readonly kind: Kind
  readonly id: string
  readonly value?: AgentInfo | TimeInfo | number
}

export function emptyContents(): Contents {
  return {
    epoch: 0,
    admitted: new Map(),
    unreachable: new Map(),
    gone: new Map(),
    weights: new Map(),
  }
}

/** The contents as the document that a master recovers from; the lists are oldest first. */
export function toRegistry(contents: Contents): Registry {
  const since = (times: ReadonlyMap<string, TimeInfo>) =>
    [...times]
      .sort(([, a], [, b]) => a.nanoseconds - b.nanoseconds)
      .map(([value, timestamp]) => ({ agent_id: { value }, timestamp }))
  return {
    epoch: contents.epoch,
    admitted: [...contents.admitted.values()],
    unreachable: since(contents.unreachable),
    gone: since(contents.gone),
    weights: Object.fromEntries(contents.weights),
  }
}

/** Applies one operation; no changes mean that it did not apply. */
export function apply(contents: Contents, operation: RegistryOperation): Change[] {
  switch (operation.type) {
    case 'ADMIT_AGENT': {
      const id = idOf(operation.agent_info)
      if (isKnown(contents, id)) return []
      return admit(contents, id, operation.agent_info)
    }
    case 'UPDATE_AGENT': {
      const id = idOf(operation.agent_info)
      if (!contents.admitted.has(id)) return []
      return admit(contents, id, operation.agent_info)
    }
    case 'MARK_UNREACHABLE':
      return moveOut(contents, 'unreachable', operation.agent_id.value, operation.timestamp)
    case 'MARK_REACHABLE': {
      const id = idOf(operation.agent_info)
      if (contents.admitted.has(id) || contents.gone.has(id)) return []
      const left = remove(contents, 'unreachable', id)
      return [...left, ...admit(contents, id, operation.agent_info)]
    }
    case 'MARK_GONE':
      return moveOut(contents, 'gone', operation.agent_id.value, operation.timestamp)
    case 'REMOVE_AGENT':
      return remove(contents, 'admitted', operation.agent_id.value)
    case 'PRUNE':
      return [
        ...operation.unreachable.flatMap((id) => remove(contents, 'unreachable', id.value)),
        ...operation.gone.flatMap((id) => remove(contents, 'gone', id.value)),
      ]
    case 'UPDATE_WEIGHTS':
      return Object.entries(operation.weights).map(([id, value]) => {
        contents.weights.set(id, value)
        return { kind: 'weights', id, value }
      })
  }
}

function isKnown({ admitted, unreachable, gone }: Contents, id: string): boolean {
  return admitted.has(id) || unreachable.has(id) || gone.has(id)
}

function admit(contents: Contents, id: string, value: AgentInfo): Change[] {
  contents.admitted.set(id, value)
  return [{ kind: 'admitted', id, value }]
}

/** Into the list of the unreachable or gone; only an agent that is admitted (or unreachable) can go. */
function moveOut(
  contents: Contents,
  kind: 'unreachable' | 'gone',
  id: string,
  value: TimeInfo,
): Change[] {
  const left = remove(contents, 'admitted', id)
  if (kind === 'gone') left.push(...remove(contents, 'unreachable', id))
  if (left.length === 0) return []
  contents[kind].set(id, value)
  return [...left, { kind, id, value }]
}

function remove(contents: Contents, kind: Kind, id: string): Change[] {
  return contents[kind].delete(id) ? [{ kind, id }] : []
}

function idOf({ id }: AgentInfo): string {
  return id?.value ?? ''
}
