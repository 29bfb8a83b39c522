/**
 * How a replica that does not vote comes to vote: what it decides from the answers to RECOVER
 * (replicated-log.md §8). No I/O.
 *
 * With a quorum of voters it catches up. It first announces its new disk to them (a *generation* above
 * any that they know), so that no answer which it gave before and has forgotten completes a round any
 * more (quorum.ts). Without voters, and with all replicas there and empty, a new log begins, in two
 * phases: were one enough, a first replica could vote and strand the others.
 */
import type { Generations, RecoverReply, Status, Votes } from '../../protocol/log.ts'
import { type Ensemble, latestGenerations } from './quorum.ts'
import { isVote, latestVotes } from './voted.ts'

export interface Survey {
  readonly ensemble: Ensemble
  readonly node: string
  readonly status: Status
  /** The generation that this survey has announced; 0 = none yet. */
  readonly generation: number
  /** Whether an empty ensemble may begin a new log by itself. */
  readonly autoInitialize: boolean
  /** The others' answers, by node. */
  readonly answers: ReadonlyMap<string, RecoverReply>
}

export type Decision =
  | { readonly type: 'WAIT' }
  /** Make this generation durable, and ask again with it. */
  | { readonly type: 'ANNOUNCE'; readonly generation: number }
  /** Catch up to `end`, then vote. */
  | {
      readonly type: 'CATCH_UP'
      readonly begin: number
      readonly end: number
      readonly promised: number
      readonly generations: Generations
      readonly votes: Votes
    }
  | { readonly type: 'START' }
  | { readonly type: 'VOTE' }

export function decide(survey: Survey): Decision {
  const { ensemble, node, answers, generation } = survey
  const voters = [...answers.values()].filter(({ status }) => status === 'VOTING')
  if (voters.length < ensemble.quorum) return initialize(survey)
  const generations = latestGenerations(voters.map((voter) => voter.generations ?? {}))
  const known = generations[node] ?? 0
  // Where it has voted with this generation it had all already: its disk was set back to before that.
  const hasVoted = voters.some(({ votes }) => isVote(votes?.[node], generation))
  if (generation === 0 || known > generation || hasVoted) {
    return { type: 'ANNOUNCE', generation: Math.max(known, generation) + 1 }
  }
  // All of the quorum must have written the generation down before they told what they know.
  const told = voters.filter((voter) => voter.generations?.[node] === generation)
  if (told.length < ensemble.quorum) return { type: 'WAIT' }
  return {
    type: 'CATCH_UP',
    // Any voter's beginning was made by a chosen truncation: the highest is as true as the others.
    begin: Math.max(...told.map(({ begin = 0 }) => begin)),
    end: Math.max(...told.map(({ end = 0 }) => end)),
    promised: Math.max(...told.map(({ promised = 0 }) => promised)),
    generations,
    votes: latestVotes(told.map(({ votes = {} }) => votes)),
  }
}

function initialize({ ensemble, status, autoInitialize, answers }: Survey): Decision {
  if (!autoInitialize) return { type: 'WAIT' }
  const statuses = [status, ...[...answers.values()].map((answer) => answer.status)]
  const all = (...wanted: Status[]) =>
    statuses.length === ensemble.replicas.length && statuses.every((one) => wanted.includes(one))
  if (status === 'EMPTY' && all('EMPTY', 'STARTING')) return { type: 'START' }
  if (status === 'STARTING' && all('STARTING', 'VOTING')) return { type: 'VOTE' }
  return { type: 'WAIT' }
}
