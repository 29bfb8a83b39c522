/**
 * A message is declared once. From the declaration come its TypeScript type (`Payload`), its compiled
 * check, and its entry in the AsyncAPI document. Style guide §3.
 */
import type { Static, TSchema } from 'typebox'
import { Build } from 'typebox/schema'
import { Errors } from 'typebox/value'

/** Says what is wrong with a value in one sentence that names the place, or undefined if nothing is. */
export type Check = (value: unknown) => string | undefined

/** A declared message. `reply` is the schema of the answer; absent where none is awaited. */
export interface Message<
  Name extends string = string,
  Body extends TSchema = TSchema,
  Answer extends TSchema | undefined = TSchema | undefined,
> {
  readonly name: Name
  /** One sentence about what it says or asks for. */
  readonly doc: string
  readonly body: Body
  readonly reply: Answer
  /**
   * Strict about types, indifferent to unknown fields.
   * @example RegisterAgent.check({}) // 'REGISTER_AGENT.agent_info: is missing'
   */
  readonly check: Check
}

/** The type of a message's body. */
export type Payload<M extends Message> = Static<M['body']>

/** The type of the answer to a message, undefined if it has none. */
export type Reply<M extends Message> = M['reply'] extends TSchema ? Static<M['reply']> : undefined

/** Declares a message. The check is compiled when it is first used. */
export function message<const Name extends string, Body extends TSchema>(
  name: Name,
  doc: string,
  body: Body,
): Message<Name, Body, undefined>
export function message<const Name extends string, Body extends TSchema, Answer extends TSchema>(
  name: Name,
  doc: string,
  body: Body,
  reply: Answer,
): Message<Name, Body, Answer>
export function message(name: string, doc: string, body: TSchema, reply?: TSchema): Message {
  return Object.freeze({ name, doc, body, reply, check: checker(name, body) })
}

/** A declared document that is no message of its own: a file, a record of the registry, a reply. */
export interface Document<Body extends TSchema = TSchema> {
  readonly name: string
  readonly body: Body
  readonly check: Check
}

/** Declares such a document. `name` begins the sentences of its check. */
export function document<Body extends TSchema>(name: string, body: Body): Document<Body> {
  return Object.freeze({ name, body, check: checker(name, body) })
}

/** The check of a schema, compiled when first used. `name` begins its sentences. */
export function checker(name: string, schema: TSchema): Check {
  // Not a `Validator`: that keeps the pieces of its code as well, 6 MB for our messages.
  let compiled: { Check(value: unknown): boolean } | undefined
  return (value) => {
    compiled ??= Build(schema).Evaluate()
    if (compiled.Check(value)) return undefined
    const [problem]: Problem[] = Errors(schema, value)
    return problem ? sentence(name, problem) : `${name}: is not valid`
  }
}

/** What TypeBox says about one wrong place. */
interface Problem {
  readonly keyword: string
  /** JSON pointer (RFC 6901). */
  readonly instancePath: string
  readonly params: object
  readonly message: string
}

/** Longest path that a sentence repeats: keys of maps are the sender's to choose. */
const pathLengthMax = 200

function sentence(name: string, problem: Problem): string {
  const params = problem.params as Record<string, unknown>
  let path = problem.instancePath.replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~')
  if (path.length > pathLengthMax) path = `${path.slice(0, pathLengthMax)}...`
  switch (problem.keyword) {
    case 'required':
      return `${name}${path}.${(params.requiredProperties as string[])[0]}: is missing`
    case 'enum':
      return `${name}${path}: must be one of ${(params.allowedValues as unknown[]).join(', ')}`
    case 'const':
      return `${name}${path}: must be ${JSON.stringify(params.allowedValue)}`
    default:
      return `${name}${path}: ${problem.message}`
  }
}
