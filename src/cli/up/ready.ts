/** Waiting until a cluster that was just started can be used. */
import { GetAgents, type MasterAgents } from '../../../protocol/operator.ts'
import type { ClusterClient } from '../connection.ts'
import { CommandError } from '../errors.ts'

const readyTimeoutMs = 60_000
const lookAgainMs = 50

/**
 * Resolves when a master leads and `count` agents are active.
 * @param cancelled asked between two looks
 * @throws CommandError START_FAILED after a minute, or when cancelled
 */
export async function awaitAgents(
  client: ClusterClient,
  count: number,
  logs: string,
  cancelled: () => boolean,
): Promise<MasterAgents> {
  const deadline = performance.now() + readyTimeoutMs
  for (;;) {
    const listed = await activeAgents(client)
    if (listed !== undefined && listed.agents.length >= count) return listed
    if (cancelled() || performance.now() > deadline) {
      const found =
        listed === undefined
          ? 'no master leads'
          : `${listed.agents.length} of ${count} agents are active`
      throw new CommandError(
        'START_FAILED',
        `${found} after ${readyTimeoutMs / 1000} s`,
        `Look at the logs in ${logs}.`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, lookAgainMs))
  }
}

async function activeAgents(client: ClusterClient): Promise<MasterAgents | undefined> {
  try {
    const { get_agents: listed } = await client.master(GetAgents)
    return { ...listed, agents: listed.agents.filter(({ active }) => active) }
  } catch (error) {
    // No leader yet, or one that is still recovering.
    if (error instanceof CommandError) return undefined
    throw error
  }
}
