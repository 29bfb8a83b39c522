/** What the parts of a master say to each other; nobody else may. */
import Type, { type Static } from 'typebox'
import { message } from '../../protocol/message.ts'
import { Bytes } from '../../protocol/schema.ts'

const Call = Type.Object({
  /** The subject that it came on. */
  subject: Type.String(),
  data: Bytes,
  /** Where an answer is awaited. */
  reply: Type.Optional(Type.String()),
})
/** A call as it arrived: not decoded, not checked. */
export type RawCall = Static<typeof Call>

/** From the intake; the next batch comes after the answer. */
export const Calls = message(
  'CALLS',
  'Calls of frameworks and operators, in the order of service.',
  Type.Object({ calls: Type.Array(Call) }),
  Type.Object({}),
)
