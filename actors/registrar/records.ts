/**
 * The registry in a store: one record an agent and list, `admitted/<agent id>` and so on, so that a
 * change costs what it changes and not the size of the cluster. Values are MessagePack.
 */
import Type from 'typebox'
import { encode, unpack } from '../../protocol/codec.ts'
import { type Check, checker } from '../../protocol/message.ts'
import { err, ok, type Result } from '../../protocol/result.ts'
import { AgentInfo, TimeInfo } from '../../protocol/v1/index.ts'
import type { Store, StoreOperation } from '../../src/runtime/index.ts'
import { type Change, type Contents, emptyContents, type Kind } from './registry.ts'

const EPOCH_KEY = 'epoch'

const checks: Readonly<Record<Kind | typeof EPOCH_KEY, Check>> = {
  epoch: checker('epoch', Type.Integer({ minimum: 1 })),
  admitted: checker('agent_info', AgentInfo),
  unreachable: checker('timestamp', TimeInfo),
  gone: checker('timestamp', TimeInfo),
  weights: checker('weight', Type.Number({ exclusiveMinimum: 0 })),
}

export function epochOperation(epoch: number): StoreOperation {
  return { type: 'put', key: EPOCH_KEY, value: encode(epoch) }
}

/** What the store must do for a change of the contents. */
export function toOperation({ kind, id, value }: Change): StoreOperation {
  const key = `${kind}/${id}`
  return value === undefined ? { type: 'delete', key } : { type: 'put', key, value: encode(value) }
}

/**
 * Reads everything. An error is a sentence that names the record: whatever is not understood must stop
 * the cluster, since a registry that forgets agents would let their ids be given out again.
 */
export async function readContents(store: Store): Promise<Result<Contents>> {
  const contents = emptyContents()
  for (const [key, bytes] of await store.range('', '\u{10ffff}')) {
    const problem = readRecord(contents, key, bytes)
    if (problem !== undefined) return err(`the record ${JSON.stringify(key)} ${problem}`)
  }
  return ok(contents)
}

function readRecord(contents: Contents, key: string, bytes: Uint8Array): string | undefined {
  const slash = key.indexOf('/')
  const kind = slash < 0 ? key : key.slice(0, slash)
  const id = slash < 0 ? '' : key.slice(slash + 1)
  if (!Object.hasOwn(checks, kind)) return 'is of no known kind'
  let value: unknown
  try {
    value = unpack(bytes)
  } catch (error) {
    return `cannot be read: ${(error as Error).message}`
  }
  const problem = checks[kind as Kind](value)
  if (problem !== undefined) return `is wrong: ${problem}`
  if (kind === EPOCH_KEY) contents.epoch = value as number
  else if (kind === 'admitted' && (value as AgentInfo).id?.value !== id) return 'has another id'
  else contents[kind as Kind].set(id, value as never)
  return undefined
}
