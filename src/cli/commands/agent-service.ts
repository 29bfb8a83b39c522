/** `meseta agent drain|deactivate|activate|gone`: taking agents out of service, and back. */
import { setTimeout as pause } from 'node:timers/promises'
import Type from 'typebox'
import {
  DeactivateAgent,
  DrainAgent,
  GetAgents,
  MarkAgentGone,
  ReactivateAgent,
} from '../../../protocol/operator.ts'
import type { AgentInfo } from '../../../protocol/v1/agent.ts'
import { command } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { resolveId } from '../ids.ts'
import { confirmed, connectionSettings, yesSetting } from '../shared-settings.ts'
import { parseDuration } from '../times.ts'

/** Between two looks whether an agent is drained. */
const POLL_MS = 500

const drain = command({
  name: 'drain',
  section: 'agent_drain',
  operands: '<id>',
  summary: 'End the tasks of an agent, and offer it no more.',
  about:
    'Tasks are killed by their own kill policies, within the grace period if one is given. The agent stays out of service, also over restarts, until it is activated again.',
  examples: [
    ['meseta agent drain host7', 'by host name'],
    ['meseta agent drain 3f --grace 30s --wait', 'at most 30 s for each task; returns at the end'],
    ['meseta agent drain 3f --gone --yes', 'it will not come back after it'],
  ],
  shared: { ...connectionSettings, ...yesSetting },
  own: {
    grace: Type.String({
      description: 'longest time that a task may take to end, as 30s or 5m',
      default: '',
      placeholder: 'DURATION',
    }),
    gone: Type.Boolean({ description: 'mark it gone when it is drained', default: false }),
    wait: Type.Boolean({ description: 'return when it is drained', default: false }),
  },
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const { grace, gone, wait } = options
      if (gone) confirmed(options, 'an agent that is gone never comes back')
      const agent = await agentNamed(client, operands[0]!)
      const ms = grace === '' ? undefined : parseDuration(grace, '--grace')
      const seconds = Math.floor((ms ?? 0) / 1000)
      const period = { seconds, nanos: Math.round(((ms ?? 0) % 1000) * 1e6) }
      await client.master(DrainAgent, {
        drain_agent: {
          agent_id: agent.id,
          ...(ms !== undefined && { max_grace_period: period }),
          mark_gone: gone,
        },
      })
      if (wait) await drained(client, agent.id.value)
      terminal.out(`${agent.name} ${wait ? 'is drained' : 'drains'}\n`)
    }),
})

/** Waits until nothing drains under that id: it is drained, or gone. */
async function drained(client: ClusterClient, id: string): Promise<void> {
  for (;;) {
    const { get_agents } = await client.master(GetAgents)
    const found = get_agents.agents.find(({ agent_info }) => agent_info.id?.value === id)
    const away = get_agents.recovered_agents.some((info) => info.id?.value === id)
    if (!away && found?.drain_info?.state !== 'DRAINING') return
    await pause(POLL_MS)
  }
}

const deactivate = command({
  name: 'deactivate',
  section: 'agent_deactivate',
  operands: '<id>',
  summary: 'Offer an agent no more; its tasks go on.',
  examples: [['meseta agent deactivate host7', 'until it is activated again']],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const { id, name } = await agentNamed(client, operands[0]!)
      await client.master(DeactivateAgent, { deactivate_agent: { agent_id: id } })
      terminal.out(`${name} is deactivated\n`)
    }),
})

const activate = command({
  name: 'activate',
  section: 'agent_activate',
  operands: '<id>',
  summary: 'Offer an agent again that is deactivated or drained.',
  examples: [['meseta agent activate host7', 'takes tasks again']],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const { id, name } = await agentNamed(client, operands[0]!)
      await client.master(ReactivateAgent, { reactivate_agent: { agent_id: id } })
      terminal.out(`${name} is active\n`)
    }),
})

const gone = command({
  name: 'gone',
  section: 'agent_gone',
  operands: '<id>',
  summary: 'Say that an agent never comes back.',
  about:
    'Frameworks are told that its tasks are gone, so that they may start them elsewhere. An agent that is alive all the same is shut down and refused; its host needs an empty work directory to join again. One that is unreachable is named by its whole id.',
  examples: [['meseta agent gone host7 --yes', 'its disk is broken']],
  shared: { ...connectionSettings, ...yesSetting },
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      confirmed(options, 'an agent that is gone never comes back')
      const { id, name } = await agentNamed(client, operands[0]!)
      await client.master(MarkAgentGone, { mark_agent_gone: { agent_id: id } })
      terminal.out(`${name} is gone\n`)
    }),
})

export const serviceCommands = [drain, deactivate, activate, gone] as const

/** An agent by prefix of its id or by host name; one that is not listed, by its whole id. */
async function agentNamed(client: ClusterClient, given: string) {
  const { get_agents } = await client.master(GetAgents)
  const listed = [
    ...get_agents.agents.map(({ agent_info }) => agent_info),
    ...get_agents.recovered_agents,
  ]
  const candidates = listed.map((info: AgentInfo) => ({
    id: info.id?.value ?? '',
    names: [info.hostname],
  }))
  const known = candidates.some(({ id, names }) => id.startsWith(given) || names.includes(given))
  if (!known) return { id: { value: given }, name: given }
  const { id, names } = resolveId('agent', given, candidates)
  return { id: { value: id }, name: names[0] ?? id }
}
