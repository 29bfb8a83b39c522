/** What a detector and the component that owns it say to each other. See actors/detector. */
import Type from 'typebox'
import { Leader } from './leader.ts'
import { message } from './message.ts'

/** Owner -> detector. */
export const Detect = message(
  'DETECT',
  'Forget the leader that you know and ask anew: it does not answer.',
  Type.Object({}),
)

/** Detector -> owner. Epochs never go down. */
export const LeaderFound = message('LEADER_FOUND', 'This master leads.', Leader.body)

/** Detector -> owner. */
export const NoLeader = message('NO_LEADER', 'Nobody is known to lead.', Type.Object({}))

export const detectorToOwner = [LeaderFound, NoLeader] as const
