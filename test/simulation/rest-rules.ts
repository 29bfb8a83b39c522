/**
 * S3, S4, L: when nothing is to be done any more, next to nothing is left or said: what is kept for each
 * task, call or message would add up in a world that lives for hours. Spec: simulation.md §9, §10.
 */
import { Violation } from './history.ts'

/** What a host keeps. */
export interface Kept {
  readonly timers: number
  readonly subscriptions: number
  /** Requests of actors that await an answer. */
  readonly requests: number
  readonly links: number
  readonly messages: number
  /** Records in the store of an agent. */
  readonly records: number
}

/** A host at rest with all its actors keeps at most so much: a few each, and one for each other host. */
export const keptMax: Kept = {
  timers: 60,
  subscriptions: 30,
  requests: 60,
  links: 120,
  messages: 60,
  records: 40,
}

/** @throws Violation S3 (records, messages) or S4 */
export function checkAtRest(host: string, kept: Kept): void {
  for (const what of Object.keys(keptMax) as Array<keyof Kept>)
    if (kept[what] > keptMax[what])
      throw new Violation(
        what === 'records' || what === 'messages' ? 'S3' : 'S4',
        `${host} has ${kept[what]} ${what} when nothing is to be done, at most ${keptMax[what]} are needed`,
      )
}

/** What a cluster at rest may say, for each message of its boot (§10). */
const quietMax = 1.5

/**
 * Nothing goes on for ever that nobody asked for.
 * @param quiet messages of all in a simulated minute at rest; `boot`: the same while all started
 * @throws Violation L
 */
export function checkQuiet(quiet: number, boot: number): void {
  if (quiet > quietMax * boot)
    throw new Violation(
      'L it is quiet at the end',
      `${Math.round(quiet)} messages a minute with nothing to do, ${Math.round(boot)} when all started`,
    )
}
