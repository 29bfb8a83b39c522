/** Who leads, as the leader itself says. */
import { Leader as LeaderAnswer } from '../../protocol/leader.ts'
import type { ClusterClient } from '../../src/cli/connection.ts'
import { parsePid } from '../../src/runtime/index.ts'
import { until } from '../support/wait.ts'

export interface Leader {
  /** Of its node. */
  readonly name: string
  readonly epoch: number
}

const askMs = 300

/** Resolves with the leader once there is one of this epoch or a later one. */
export function leaderOf(
  client: ClusterClient,
  options: { readonly epochMin?: number; readonly timeoutMs: number },
): Promise<Leader> {
  const { epochMin = 1, timeoutMs } = options
  const ask = async () => {
    const answer = await client.request(client.subjects.leader, {}, askMs)
    if (LeaderAnswer.check(answer) !== undefined) return undefined
    const { pid, epoch } = answer as { pid: string; epoch: number }
    return epoch >= epochMin ? { name: parsePid(pid).node, epoch } : undefined
  }
  return until(ask, { what: `a leader of epoch ${epochMin} or later`, timeoutMs, intervalMs: 20 })
}
