/**
 * The registry in the log. An entry holds what one change wrote: whole records, one an agent and list, so
 * that a change costs what it changes and not the size of the cluster. The last entry about a record
 * counts; therefore the log may be shortened by writing records again, in any order and in parts.
 */
import Type, { type Static } from 'typebox'
import { encode, unpack } from '../../protocol/codec.ts'
import { type Check, checker } from '../../protocol/message.ts'
import { DiskRecord } from '../../protocol/registrar.ts'
import { err, ok, type Result } from '../../protocol/result.ts'
import {
  AgentInfo,
  DrainInfo,
  MachineInfo,
  QuotaConfig,
  TimeInfo,
} from '../../protocol/v1/index.ts'
import { deepFreeze } from '../../src/runtime/index.ts'
import type { Change, Contents, Kind } from './registry.ts'

/** What stands at a position of the log. */
const Entry = Type.Object({
  epoch: Type.Integer({ minimum: 1 }),
  /** Kind, id, and the value; without a value the record is deleted. */
  changes: Type.Array(
    Type.Union([
      Type.Tuple([Type.String(), Type.String()]),
      Type.Tuple([Type.String(), Type.String(), Type.Unknown()]),
    ]),
  ),
})
type Entry = Static<typeof Entry>

const checkEntry = checker('entry', Entry)

const checks: Readonly<Record<Kind, Check>> = {
  admitted: checker('agent_info', AgentInfo),
  unreachable: checker('timestamp', TimeInfo),
  gone: checker('timestamp', TimeInfo),
  weights: checker('weight', Type.Number({ exclusiveMinimum: 0 })),
  drains: checker('drain_info', DrainInfo),
  disks: checker('disk', DiskRecord),
  deactivated: checker('deactivated', Type.Literal(true)),
  machines: checker('machine', MachineInfo),
  quotas: checker('quota_config', QuotaConfig),
  capabilities: checker('capability', Type.Literal(true)),
}

/** What is wrong with records, by kind and id, as the entries read so far have left them. */
export type Problems = Map<string, string>

export function encodeEntry(epoch: number, changes: readonly Change[]): Uint8Array {
  const entry: Entry = {
    epoch,
    changes: changes.map(({ kind, id, value }) =>
      value === undefined ? [kind, id] : [kind, id, value],
    ),
  }
  return encode(entry)
}

/**
 * Applies an entry to what those before it made; the value is the number of records in it. A record that is
 * not understood is noted in `problems` until an entry overwrites or deletes it: one of a later version may
 * have been deleted to come back to this one.
 */
export function readEntry(
  contents: Contents,
  data: Uint8Array,
  problems: Problems,
): Result<number> {
  let entry: Entry
  try {
    entry = unpack(data) as Entry
  } catch (error) {
    return err(`cannot be read: ${(error as Error).message}`)
  }
  const problem = checkEntry(entry)
  if (problem !== undefined) return err(`is wrong: ${problem}`)
  // Of a registrar that had been replaced, and was told nothing; chosen after all by a later election.
  if (entry.epoch < contents.epoch) return ok(0)
  for (const [kind, id, value] of entry.changes) {
    const wrong = readRecord(contents, kind, id, value)
    if (wrong === undefined) problems.delete(`${kind}/${id}`)
    else problems.set(`${kind}/${id}`, wrong)
  }
  contents.epoch = entry.epoch
  return ok(entry.changes.length)
}

function readRecord(
  contents: Contents,
  kind: string,
  id: string,
  value: unknown,
): string | undefined {
  if (!Object.hasOwn(checks, kind)) return value === undefined ? undefined : 'is of no known kind'
  const records = contents[kind as Kind]
  if (value === undefined) {
    records.delete(id)
    return undefined
  }
  const problem = checks[kind as Kind](value)
  if (problem !== undefined) return `is wrong: ${problem}`
  if (kind === 'admitted' && (value as AgentInfo).id?.value !== id) return 'has another id'
  // Frozen, so that the master that reads it has no copy of its own.
  records.set(id, deepFreeze(value) as never)
  return undefined
}

const kinds = Object.keys(checks) as Kind[]

export function countRecords(contents: Contents): number {
  let sum = 0
  for (const kind of kinds) sum += contents[kind].size
  return sum
}

/** All records there are, for writing them again. */
export function keysOf(contents: Contents): Array<readonly [Kind, string]> {
  return kinds.flatMap((kind) => [...contents[kind].keys()].map((id) => [kind, id] as const))
}
