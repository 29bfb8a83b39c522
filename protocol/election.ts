/** What an election says to the component that it elects. See actors/election. */
import Type from 'typebox'
import { message } from './message.ts'
import { Uint64 } from './schema.ts'

/** Election -> whoever leads with it, once in its life. */
export const Elected = message(
  'ELECTED',
  'You lead from now on, for as long as your fence is open.',
  Type.Object({
    /** Higher than that of any leader before. */
    epoch: Type.Integer({ minimum: 1 }),
    /** Last position of the log at the time of the election; all up to it is learned by its local replica. */
    position: Uint64,
  }),
)
