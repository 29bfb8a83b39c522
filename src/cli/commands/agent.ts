/** `meseta agent`: the machines that offer resources. */
import { GetAgents, GetTasks } from '../../../protocol/operator.ts'
import type { AgentState } from '../../../protocol/v1/state.ts'
import { formatAttributes } from '../../resources/index.ts'
import { amountsOf, amountsText, share } from '../amounts.ts'
import { command, noun } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { resolveId } from '../ids.ts'
import { type Listing, printOrWatch, renderFacts, renderJson, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'
import type { Terminal } from '../terminal.ts'
import { age, timeMs, timestamp } from '../times.ts'
import { serviceCommands } from './agent-service.ts'

const ls = command({
  name: 'ls',
  section: 'agent_ls',
  summary: 'List the agents and what they have.',
  examples: [
    ['meseta agent ls', 'a table; CPUS and MEM are used/total'],
    ['meseta agent ls -o name', 'ids only'],
    ['meseta agent ls --watch', 'again every two seconds'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () =>
        renderListing(listing(terminal), await agentsOf(client), options.output, terminal),
      ),
    ),
})

const info = command({
  name: 'info',
  section: 'agent_info',
  operands: '<id>',
  summary: 'Show one agent and its tasks.',
  examples: [
    ['meseta agent info 3f', 'the agent whose id begins with 3f'],
    ['meseta agent info host7 -o json', 'by host name, as a document'],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const agent = await findAgent(client, operands[0]!)
      if (options.output === 'json') return terminal.out(renderJson(agent))
      if (options.output === 'name') return terminal.out(`${idOf(agent)}\n`)
      const { get_tasks } = await client.master(GetTasks)
      const running = get_tasks.tasks.filter(({ agent_id }) => agent_id.value === idOf(agent))
      terminal.out(
        renderFacts(
          [
            ['id', idOf(agent)],
            ['host', agent.agent_info.hostname],
            ['state', stateOf(agent)],
            ['version', agent.version],
            ...drainFacts(agent),
            ['registered', timestamp(timeMs(agent.registered_time))],
            ['attributes', formatAttributes(agent.agent_info.attributes ?? []) || '-'],
            ['total', amountsText(agent.total_resources)],
            ['used', amountsText(agent.allocated_resources)],
            ['offered', amountsText(agent.offered_resources)],
            [
              'tasks',
              running.map(({ task_id, state }) => `${task_id.value} ${state}`).join('\n') || '-',
            ],
          ],
          terminal,
        ),
      )
    }),
})

export const agentCommand = noun('agent', 'Agents: the machines that offer resources.', [
  ls,
  info,
  ...serviceCommands,
])

/** The agents that are registered now. */
export async function agentsOf(client: ClusterClient): Promise<AgentState[]> {
  return (await client.master(GetAgents)).get_agents.agents
}

/** An agent by unique prefix of its id, or by its host name. */
export async function findAgent(client: ClusterClient, given: string): Promise<AgentState> {
  const candidates = (await agentsOf(client)).map((agent) => ({
    id: idOf(agent),
    names: [agent.agent_info.hostname],
    agent,
  }))
  return resolveId('agent', given, candidates).agent
}

function idOf({ agent_info }: AgentState): string {
  return agent_info.id?.value ?? ''
}

function stateOf({ active, deactivated, drain_info }: AgentState): string {
  if (drain_info !== undefined) return drain_info.state.toLowerCase()
  if (deactivated === true) return 'deactivated'
  return active ? 'active' : 'disconnected'
}

function drainFacts({ drain_info, estimated_drain_start_time }: AgentState) {
  if (drain_info === undefined) return []
  return [['drains since', timestamp(timeMs(estimated_drain_start_time))] as const]
}

function listing({ color }: Terminal): Listing<AgentState> {
  const used = (name: string) => (agent: AgentState) =>
    share(amountsOf(agent.allocated_resources), amountsOf(agent.total_resources), name)
  return {
    empty: 'There are no agents. Start one with: meseta start agent',
    name: idOf,
    document: (agent) => agent,
    columns: [
      { title: 'ID', value: idOf },
      { title: 'HOST', value: ({ agent_info }) => agent_info.hostname },
      {
        title: 'STATE',
        value: stateOf,
        paint: (text) => (text === 'active' ? color.green(text) : color.yellow(text)),
      },
      { title: 'CPUS', value: used('cpus'), right: true },
      { title: 'MEM', value: used('mem'), right: true },
      { title: 'DISK', value: used('disk'), right: true, wide: true },
      { title: 'AGE', value: ({ registered_time }) => age(timeMs(registered_time)), right: true },
      {
        title: 'OFFERED',
        value: ({ offered_resources }) => amountsText(offered_resources),
        wide: true,
      },
      {
        title: 'ATTRIBUTES',
        value: ({ agent_info }) => formatAttributes(agent_info.attributes ?? []),
        wide: true,
      },
      { title: 'VERSION', value: ({ version }) => version, wide: true },
    ],
  }
}
