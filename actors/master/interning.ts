/**
 * Interning: what many agents say alike, such as the resources of machines of one kind, is kept once. What
 * is looked up by the identity of such a document (its encoding, the allocator's account of it) then exists
 * once too.
 */
import { LRUCache } from 'lru-cache'
import type { RegisterAgent } from '../../protocol/agent.ts'
import type { Payload } from '../../protocol/message.ts'
import { deepFreeze } from '../../src/runtime/index.ts'

/** Text of the documents that are looked for, in characters. Those beyond it are kept once an agent. */
const TEXT_MAX = 4 * 2 ** 20

export class Interned {
  readonly #documents = new LRUCache<string, object>({
    maxSize: TEXT_MAX,
    sizeCalculation: (_document, text) => text.length,
  })

  /** A document equal to this one that was seen before, or else this one; frozen. */
  of<T extends object>(document: T): T {
    const text = JSON.stringify(document)
    const known = this.#documents.get(text)
    if (known !== undefined) return known as T
    this.#documents.set(text, deepFreeze(document))
    return document
  }
}

/** What an agent says of itself whenever it registers; see protocol/agent.ts. */
export type Report = Pick<
  Payload<typeof RegisterAgent>,
  'agent_info' | 'version' | 'capabilities' | 'total_resources' | 'resource_version'
>

/** The same report, made of interned documents. */
export function internReport<T extends Report>(interned: Interned, report: T): T {
  const { agent_info, capabilities, total_resources } = report
  const { resources, attributes } = agent_info
  return {
    ...report,
    agent_info: deepFreeze({
      ...agent_info,
      ...(resources !== undefined && { resources: interned.of(resources) }),
      ...(attributes !== undefined && { attributes: interned.of(attributes) }),
    }),
    ...(capabilities !== undefined && { capabilities: interned.of(capabilities) }),
    ...(total_resources !== undefined && { total_resources: interned.of(total_resources) }),
  }
}
