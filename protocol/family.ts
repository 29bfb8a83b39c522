/**
 * A family of messages that share a subject and are told apart by `type`, as Mesos' calls and events
 * are: `{type: 'KILL', framework_id, kill: {...}}`.
 */
import Type, {
  type Static,
  type TLiteral,
  type TObject,
  type TProperties,
  type TSchema,
} from 'typebox'
import { type Failure, fail } from './errors.ts'
import { fromJson } from './json.ts'
import { type Message, message } from './message.ts'
import { ok, type Result } from './result.ts'

/** A message whose body says its name in the field `type`. */
export type Member<
  Name extends string = string,
  Fields extends TProperties = TProperties,
  Answer extends TSchema | undefined = TSchema | undefined,
> = Message<Name, TObject<{ type: TLiteral<Name> } & Fields>, Answer>

/** Declares a member of a family: `fields` are those beside `type`. */
export function member<const Name extends string, Fields extends TProperties>(
  name: Name,
  doc: string,
  fields: Fields,
): Member<Name, Fields, undefined>
export function member<
  const Name extends string,
  Fields extends TProperties,
  Answer extends TSchema,
>(name: Name, doc: string, fields: Fields, reply: Answer): Member<Name, Fields, Answer>
export function member(name: string, doc: string, fields: TProperties, reply?: TSchema): Message {
  return message(name, doc, Type.Object({ type: Type.Literal(name), ...fields }), reply!)
}

/** The union of the bodies of all members, told apart by `type`. */
export type AnyOf<Members extends readonly Message[]> = Static<Members[number]['body']>

/** What a schema cannot say about one message: a sentence that names the place, or undefined. */
export type Rule<Body> = (body: Body) => string | undefined

export interface FamilyOptions<Members extends readonly Message[]> {
  /** What a stranger calls one of them: `call`, `event`. */
  readonly noun: string
  /** Types that exist in Mesos and not here: they are refused as unsupported, not as mistakes. */
  readonly unsupported?: readonly string[]
  /** Applied to every message that passed its check. */
  readonly rule?: Rule<AnyOf<Members>>
}

/**
 * Makes the function that validates whatever arrived: a decoded value of either format becomes a
 * checked message (normalised by `fromJson`), or a failure INVALID_MESSAGE or UNSUPPORTED_CALL.
 */
export function validator<const Members extends readonly Message[]>(
  members: Members,
  { noun, unsupported = [], rule }: FamilyOptions<Members>,
): (value: unknown) => Result<AnyOf<Members>, Failure> {
  const byType = new Map(members.map((each) => [each.name, each]))
  const supported = [...byType.keys()]
  const refused = new Set(['UNKNOWN', ...unsupported])
  const invalid = (problem: string) => fail('INVALID_MESSAGE', { problem })

  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return invalid(`the ${noun} must be an object with a field "type"`)
    }
    const type = (value as { type?: unknown }).type
    const declared = typeof type === 'string' ? byType.get(type) : undefined
    if (!declared) {
      if (refused.has(type as string)) return fail('UNSUPPORTED_CALL', { type, supported })
      const fault = type === undefined || type === null ? 'is missing; it ' : ''
      return invalid(`type: ${fault}must be one of ${supported.join(', ')}`)
    }
    const body = fromJson(declared.body, value)
    const problem = declared.check(body)
    if (problem) return invalid(problem)
    const message = body as AnyOf<Members>
    const broken = rule?.(message)
    return broken ? invalid(`${declared.name}.${broken}`) : ok(message)
  }
}
