/**
 * The AsyncAPI 3 document of all that frameworks, executors, operators and onlookers can say and hear,
 * made from the declarations. `docs/generate.ts` writes it down.
 */
import type { TSchema } from 'typebox'
import { ErrorReply } from './errors.ts'
import { clusterEvents } from './events.ts'
import { executorCalls, executorEvents } from './executor.ts'
import { Leader } from './leader.ts'
import type { Message } from './message.ts'
import { agentCalls, masterCalls } from './operator.ts'
import { OffersEvent, RescindEvent, schedulerCalls, schedulerEvents } from './scheduler.ts'
import { defaultCluster, type ExecutorAddress, subjects } from './subjects.ts'
import * as documents from './v1/index.ts'

/** Changes with what travels, not with the program. Fields are only ever added within 1.x. */
export const protocolVersion = '1.0.0'

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }
type JsonObject = Record<string, Json>

/** One subject (or family of subjects) and what is said on it, seen from the cluster. */
interface Channel {
  readonly name: string
  readonly address: string
  readonly description: string
  readonly action: 'receive' | 'send'
  readonly messages: readonly Message[]
}

/** A text that `token` leaves alone, to be replaced by `{name}`, AsyncAPI's parameter. */
const hole = (name: string) => `__${name}__`
const holePattern = /__([a-z_]+?)__/g

function channels(): Channel[] {
  const of = subjects(hole('cluster'))
  const framework = hole('framework_id')
  const executor: ExecutorAddress = {
    agent: hole('agent_id'),
    framework,
    executor: hole('executor_id'),
    container: hole('container_id'),
  }
  return [
    {
      name: 'frameworkCall',
      address: of.frameworkCall(framework),
      description:
        'Calls of a framework to the leading master; framework_id is "new" until it has one.',
      action: 'receive',
      messages: schedulerCalls,
    },
    {
      name: 'frameworkEvent',
      address: of.frameworkEvent(framework),
      description: 'Events for a framework. To listen here is to be connected.',
      action: 'send',
      messages: schedulerEvents,
    },
    {
      name: 'offerEvent',
      address: of.offers(framework),
      description:
        "A framework's offers, for operators who watch: as it gets them, while WATCH_OFFERS lasts.",
      action: 'send',
      messages: [OffersEvent, RescindEvent],
    },
    {
      name: 'executorCall',
      address: of.executorCall(executor),
      description: 'Calls of an executor to its agent.',
      action: 'receive',
      messages: executorCalls,
    },
    {
      name: 'executorEvent',
      address: of.executorEvent(executor),
      description: 'Events for an executor. To listen here is to be connected.',
      action: 'send',
      messages: executorEvents,
    },
    {
      name: 'masterCall',
      address: of.masterCall,
      description: 'Calls of operators to the leading master.',
      action: 'receive',
      messages: masterCalls,
    },
    {
      name: 'agentCall',
      address: of.agentCall(hole('agent_id')),
      description: 'Calls of operators to an agent.',
      action: 'receive',
      messages: agentCalls,
    },
    {
      name: 'clusterEvent',
      address: of.events().replace('>', `${hole('kind')}.${hole('id')}`),
      description:
        'What happens in the cluster, for anyone. kind: task, agent, framework or leader.',
      action: 'send',
      messages: clusterEvents,
    },
    {
      name: 'leader',
      address: of.leader,
      description: 'Who leads? Any payload asks.',
      action: 'receive',
      messages: [],
    },
  ]
}

/** The whole document, as plain data. */
export function asyncApiDocument(): JsonObject {
  const schemas = new SchemaCollector()
  const out = { channels: {}, operations: {}, messages: {} } as Record<
    'channels' | 'operations' | 'messages',
    JsonObject
  >
  const declare = (key: string, name: string, summary: string, schema: TSchema) => {
    out.messages[key] = { name, summary, payload: schemas.convert(schema) }
  }
  declare('ErrorReply', 'ErrorReply', 'The request was refused; nothing was changed.', ErrorReply)
  declare('leader.reply', 'Leader', 'Who leads, and in which term.', Leader.body)

  const replies: JsonObject = { ErrorReply: ref('messages', 'ErrorReply') }
  for (const channel of channels()) {
    const members: JsonObject = {}
    for (const each of channel.messages) {
      const key = `${channel.name}.${each.name}`
      declare(key, each.name, each.doc, each.body)
      members[each.name] = ref('messages', key)
      const operation: JsonObject = {
        action: channel.action,
        summary: each.doc,
        channel: { $ref: `#/channels/${channel.name}` },
        messages: [{ $ref: `#/channels/${channel.name}/messages/${each.name}` }],
      }
      if (each.reply) {
        declare(`${key}.reply`, `${each.name} reply`, `Answers ${each.name}.`, each.reply)
        replies[`${key}.reply`] = ref('messages', `${key}.reply`)
        operation.reply = replyOf(`${key}.reply`)
      }
      out.operations[key] = operation
    }
    out.channels[channel.name] = channelEntry(channel, members)
  }
  replies['leader.reply'] = ref('messages', 'leader.reply')
  out.operations.leader = {
    action: 'receive',
    summary: 'Asks who leads.',
    channel: { $ref: '#/channels/leader' },
    reply: replyOf('leader.reply'),
  }
  out.channels.replies = {
    address: null,
    description: 'The reply subject that a request names.',
    messages: replies,
  }

  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Meseta',
      version: protocolVersion,
      description:
        'Subjects and messages of a Meseta cluster on NATS. A payload that begins with "{" is JSON and is ' +
        'answered in JSON; any other one is MessagePack (plain maps). Bytes are binary in MessagePack and ' +
        'Base64 text in JSON. Unknown fields are ignored. Ids within subjects are percent-encoded where ' +
        'they hold ".", "*", ">", "%", blanks or control characters. ' +
        `{cluster} is "${defaultCluster}" unless chosen otherwise.`,
    },
    defaultContentType: 'application/msgpack',
    channels: out.channels,
    operations: out.operations,
    components: { messages: out.messages, schemas: schemas.components() },
  }
}

function channelEntry(channel: Channel, messages: JsonObject): JsonObject {
  const parameters: JsonObject = {}
  for (const [, name] of channel.address.matchAll(holePattern)) parameters[name!] = {}
  return {
    address: channel.address.replaceAll(holePattern, '{$1}'),
    description: channel.description,
    parameters,
    messages,
  }
}

function replyOf(key: string): JsonObject {
  return {
    channel: { $ref: '#/channels/replies' },
    messages: [
      { $ref: `#/channels/replies/messages/${key}` },
      { $ref: '#/channels/replies/messages/ErrorReply' },
    ],
  }
}

function ref(section: 'messages' | 'schemas', name: string): JsonObject {
  return { $ref: `#/components/${section}/${name}` }
}

/** Converts schemas to plain JSON Schema and moves those that have a name to the components. */
class SchemaCollector {
  readonly #components = new Map<string, Json>()
  /** Named documents by the part of the schema that copies (as by `Type.Optional`) share. */
  readonly #names = new Map<unknown, string>()

  constructor() {
    for (const [name, exported] of Object.entries(documents)) {
      const schema = exported as Schema
      const shared = schema.properties ?? schema.enum
      // Ids are all alike; their titles tell them apart.
      if (shared && schema.title === undefined) this.#names.set(shared, name)
    }
  }

  /** By name, so that the document does not depend on the order of use. */
  components(): JsonObject {
    return Object.fromEntries([...this.#components].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  convert(schema: object): JsonObject {
    const { title, properties, enum: names } = schema as Schema
    const name = title ?? this.#names.get(properties ?? names)
    if (name === undefined) return this.#plain(schema)
    if (!this.#components.has(name)) {
      // Entered before it is complete: documents may contain themselves.
      this.#components.set(name, {})
      this.#components.set(name, this.#plain(definition(schema)))
    }
    return ref('schemas', name)
  }

  #plain(schema: object): JsonObject {
    const out: JsonObject = {}
    for (const [keyword, value] of Object.entries(schema)) {
      switch (keyword) {
        case 'title':
        case '$id':
          break
        case '$ref':
          out.$ref = ref('schemas', value as string).$ref!
          break
        case 'contentEncoding':
          // In the program it is no string, so the schema itself does not say so.
          out.type = 'string'
          out.contentEncoding = value as string
          break
        case 'properties':
        case 'patternProperties':
          out[keyword] = Object.fromEntries(
            Object.entries(value as object).map(([name, each]) => [name, this.convert(each)]),
          )
          break
        case 'anyOf':
          out.anyOf = (value as object[]).map((each) => this.convert(each))
          break
        case 'items':
          out.items = this.convert(value as object)
          break
        case 'additionalProperties':
          out[keyword] = typeof value === 'object' ? this.convert(value) : (value as boolean)
          break
        default:
          out[keyword] = value as Json
      }
    }
    return out
  }
}

/** What this module reads of a schema. */
interface Schema {
  readonly title?: string
  readonly properties?: object
  readonly enum?: object
  readonly $defs?: Readonly<Record<string, object>>
  readonly $ref?: string
}

/** A document that contains itself refers to a definition of its own; any other one is its definition. */
function definition(schema: Schema): object {
  return schema.$defs && schema.$ref !== undefined ? schema.$defs[schema.$ref]! : schema
}
