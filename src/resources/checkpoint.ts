/**
 * Agent totals after a restart: the resources of the flags with each checkpointed resource put in the
 * place of what it was made from. Spec: resources.md §6, "Agent checkpoints".
 */
import { err, ok } from '../../protocol/result.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import { add, contains, merge, type Resources, subtract } from './collection.ts'
import { type Checked, fault } from './fault.ts'
import { stripVolume } from './operations.ts'
import { withStack } from './reservations.ts'
import { formatResources } from './text.ts'

/** Refused when the flags no longer hold what a checkpointed resource was made from. */
export function applyCheckpointed(totals: Resources, checkpointed: Resources): Checked<Resources> {
  let result = totals
  for (let i = 0; i < checkpointed.length; i++) {
    const resource = checkpointed[i]!
    const origin = merge([stripToFlags(resource)])
    if (!contains(result, origin)) {
      const message = `${formatResources(merge([resource]))} does not fit the agent's resources`
      return err(fault('CHECKPOINT', `[${i}]`, message))
    }
    result = add(subtract(result, origin), merge([resource]))
  }
  return ok(result)
}

/** What the flags say of it: no dynamic reservations, no volume, not shared; a STATIC bottom stays. */
export function stripToFlags(resource: Resource): Resource {
  const stack = (resource.reservations ?? []).filter(({ type }) => type === 'STATIC')
  return withStack(stripVolume(resource), stack)
}
