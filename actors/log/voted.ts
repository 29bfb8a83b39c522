/**
 * What shows that a replica's disk was set back to an older copy: the others have heard of later votes than it
 * knows of. A replica from such a copy has forgotten what it agreed to, and must not vote with it
 * (spec/simulation.md §5: it stops and says so). No I/O.
 *
 * Whoever counts votes tells all replicas how far each has voted; they write that down. A replica that comes
 * back asks them, and votes when as many have answered as are a quorum with it: without them its vote would
 * decide nothing. It stays unnoticed only if all of those who answer were away since the copy was made.
 */
import type { Voted, Votes } from '../../protocol/log.ts'
import type { Replica } from './replica.ts'

/** How far a replica has voted, as it knows itself. */
export function ownVotes({ node, generations, promised, end }: Replica): Voted {
  return { generation: generations[node] ?? 0, promised, end }
}

/** What was heard of a node; at least how often it has come back with a new disk. */
export function heardOf(
  { votes, generations }: Pick<Replica, 'votes' | 'generations'>,
  node: string,
): Voted {
  const fresh = { generation: generations[node] ?? 0, promised: 0, end: 0 }
  return laterOf(votes[node] ?? fresh, fresh)
}

/** Whether somebody knows more of a replica's votes than it knows itself. */
export function isBehind(own: Voted, heard: Voted): boolean {
  if (own.generation !== heard.generation) return own.generation < heard.generation
  return own.promised < heard.promised || own.end < heard.end
}

/** Whether anything was voted with this generation of a disk. */
export function isVote(voted: Voted | undefined, generation: number): boolean {
  return voted?.generation === generation && (voted.promised > 0 || voted.end > 0)
}

/** Both of what was heard of one replica. */
export function laterOf(a: Voted, b: Voted): Voted {
  if (a.generation !== b.generation) return a.generation > b.generation ? a : b
  return {
    generation: a.generation,
    promised: Math.max(a.promised, b.promised),
    end: Math.max(a.end, b.end),
  }
}

/** Node by node all of what several have heard. */
export function latestVotes(all: readonly Votes[]): Votes {
  const latest: Votes = {}
  for (const votes of all) {
    for (const [node, voted] of Object.entries(votes))
      latest[node] = laterOf(latest[node] ?? voted, voted)
  }
  return latest
}

/** Notes what was heard; false if nothing of it is new. */
export function hear(replica: Replica, heard: Votes): boolean {
  const news = Object.entries(heard).filter(([node, voted]) =>
    isBehind(heardOf(replica, node), voted),
  )
  if (news.length === 0) return false
  replica.votes = { ...replica.votes }
  for (const [node, voted] of news) replica.votes[node] = laterOf(heardOf(replica, node), voted)
  replica.changes.push({ type: 'METADATA' })
  return true
}
