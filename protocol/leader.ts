/**
 * Who leads. The leading master answers on the subject `<c>.leader`, and announces itself as an event of
 * kind `leader` (design.md §4: the leader has an address, not a location).
 */
import Type, { type Static } from 'typebox'
import { document } from './message.ts'
import { MasterInfo } from './v1/agent.ts'

/** Asked with any payload; the answer comes in the asker's format. */
export const Leader = document(
  'LEADER',
  Type.Object({
    /** Mailbox address of the leading master, exact. */
    pid: Type.String({ minLength: 3 }),
    /** Grows with every change of leadership. It stands on everything that a leader says. */
    epoch: Type.Integer({ minimum: 1 }),
    master_info: MasterInfo,
    /** Agents register within at least this time, evenly spread: the more there are, the longer (ms). */
    registration_spread_ms: Type.Optional(Type.Number({ minimum: 0 })),
  }),
)
export type Leader = Static<(typeof Leader)['body']>
