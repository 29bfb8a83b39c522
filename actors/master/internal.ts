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

/** From the intake: calls without a reply subject for which there was no room, by sender. */
export const CallsDropped = message(
  'CALLS_DROPPED',
  'Calls that were dropped since this was last said.',
  Type.Object({
    senders: Type.Array(
      Type.Object({
        subject: Type.String(),
        count: Type.Integer(),
        /** How many may wait at the rate of the sender, if it was that that had no room. */
        capacity: Type.Optional(Type.Integer()),
      }),
    ),
  }),
)

/** To the intake. */
export const NoteFramework = message(
  'NOTE_FRAMEWORK',
  'A framework has subscribed, or has ended: to whose rate and numbers do its calls count?',
  Type.Object({
    framework_id: Type.String(),
    subscribed: Type.Boolean(),
    principal: Type.Optional(Type.String()),
  }),
)
