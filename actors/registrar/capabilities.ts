/**
 * The minimum capabilities: what a master must be able to do to lead with this registry. A capability stands
 * in it as long as something does that a master without it would misread; a master that lacks one of them
 * refuses to recover. Spec: replicated-log.md §11, master.md §2.
 *
 * Whoever adds to the registry what former masters do not know gives it a capability here.
 */
import { type Failure, failure } from '../../protocol/errors.ts'
import { type Change, type Contents, put, remove } from './registry.ts'

/** Those of this master, by Mesos' names, and whether the contents need them. */
const capabilities: Readonly<Record<string, (contents: Contents) => boolean>> = {
  AGENT_DRAINING: ({ drains, deactivated }) => drains.size > 0 || deactivated.size > 0,
  DISK_AGES: ({ disks }) => disks.size > 0,
  QUOTA_V2: ({ quotas }) => quotas.size > 0,
}

/** Records the capabilities that the contents have come to need, and drops those they need no longer. */
export function settleCapabilities(contents: Contents): Change[] {
  return Object.entries(capabilities).flatMap(([name, isNeeded]) => {
    const needed = isNeeded(contents)
    if (needed === contents.capabilities.has(name)) return []
    return needed
      ? [put(contents, 'capabilities', name, true)]
      : remove(contents, 'capabilities', name)
  })
}

/** Why a master of this version cannot recover the contents, if it cannot. */
export function capabilityProblem(contents: Contents): Failure | undefined {
  const missing = [...contents.capabilities.keys()].filter(
    (name) => !Object.hasOwn(capabilities, name),
  )
  if (missing.length === 0) return undefined
  return failure('MISSING_CAPABILITY', {
    missing: missing.sort().join(', '),
    capabilities: Object.keys(capabilities).join(', '),
  })
}
