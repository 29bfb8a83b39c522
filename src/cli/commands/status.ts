/** `meseta status`: the cluster on one screen. */
import { GetMaster, GetState, type MasterState } from '../../../protocol/operator.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { isTerminal } from '../../../protocol/v1/status.ts'
import { amountsOf, number, sumAmounts } from '../amounts.ts'
import { command } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { printOrWatch, renderFacts, renderJson, renderTable } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'
import type { Terminal } from '../terminal.ts'
import { age } from '../times.ts'

/** Shown first, in this order; other names follow. */
const usualNames = ['cpus', 'mem', 'disk', 'ports', 'gpus']

export const statusCommand = command({
  name: 'status',
  summary: 'Show the leader, agents, frameworks, tasks, and what is used.',
  about: 'Exits with 4 if no master leads.',
  examples: [
    ['meseta status', 'the cluster on one screen'],
    ['meseta status --watch', 'again every two seconds'],
    ['meseta status -o json', 'for programs'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const summary = await summarise(client, options.cluster)
        if (options.output === 'json') return renderJson(summary)
        if (options.output === 'name') return `${summary.leader.id}\n`
        return render(summary, terminal)
      }),
    ),
})

type Summary = Awaited<ReturnType<typeof summarise>>

/** What `-o json` prints. */
async function summarise(client: ClusterClient, cluster: string) {
  const [{ get_master }, { get_state }] = await Promise.all([
    client.master(GetMaster),
    client.master(GetState),
  ])
  const { master_info, elected_time } = get_master
  return {
    cluster,
    leader: {
      id: master_info?.id ?? '',
      hostname: master_info?.hostname ?? '',
      ...(elected_time !== undefined && { elected_time }),
    },
    ...countsOf(get_state),
    resources: resourcesOf(get_state),
  }
}

function countsOf({ get_agents, get_frameworks, get_tasks }: MasterState) {
  const tasks: Record<string, number> = {}
  const active = get_tasks.tasks.filter(({ state }) => !isTerminal(state))
  for (const { state } of [...active, ...get_tasks.unreachable_tasks]) {
    tasks[state] = (tasks[state] ?? 0) + 1
  }
  const { agents, recovered_agents } = get_agents
  const { frameworks, completed_frameworks } = get_frameworks
  return {
    agents: {
      active: agents.filter(({ active }) => active).length,
      inactive: agents.filter(({ active }) => !active).length,
      recovered: recovered_agents.length,
    },
    frameworks: {
      connected: frameworks.filter(({ connected }) => connected).length,
      disconnected: frameworks.filter(({ connected }) => !connected).length,
      completed: completed_frameworks.length,
    },
    tasks: {
      ...tasks,
      completed: get_tasks.completed_tasks.length + get_tasks.tasks.length - active.length,
    },
  }
}

/** Amounts over all agents, in units of the resource. */
function resourcesOf({ get_agents: { agents } }: MasterState) {
  const sum = (pick: (agent: (typeof agents)[number]) => readonly Resource[] | undefined) =>
    sumAmounts(agents.map((agent) => amountsOf(pick(agent))))
  const total = sum(({ total_resources }) => total_resources)
  const used = sum(({ allocated_resources }) => allocated_resources)
  const offered = sum(({ offered_resources }) => offered_resources)
  const names = [...usualNames, ...[...total.keys()].filter((name) => !usualNames.includes(name))]
  return names
    .filter((name) => total.has(name))
    .map((name) => ({
      name,
      total: (total.get(name) ?? 0) / 1000,
      used: (used.get(name) ?? 0) / 1000,
      offered: (offered.get(name) ?? 0) / 1000,
    }))
}

function render(summary: Summary, terminal: Terminal): string {
  const { leader, agents, frameworks, tasks, resources, cluster } = summary
  const { color } = terminal
  const elected = leader.elected_time
  const since = elected === undefined ? '' : `, for ${age(elected * 1000)}`
  const healthy = agents.active > 0 && agents.inactive === 0
  const health = healthy
    ? color.green('healthy')
    : color.yellow(agents.active === 0 ? 'no active agent' : 'some agents are not active')
  const counted = Object.entries(tasks)
    .map(([state, count]) => `${count} ${state.replace('TASK_', '').toLowerCase()}`)
    .join(', ')
  const facts = renderFacts(
    [
      ['cluster', `${cluster}: ${health}`],
      ['leader', `${leader.id}${leader.hostname === '' ? '' : ` on ${leader.hostname}`}${since}`],
      [
        'agents',
        listed(
          [agents.active, 'active'],
          [agents.inactive, 'inactive'],
          [agents.recovered, 'awaited'],
        ),
      ],
      [
        'frameworks',
        listed(
          [frameworks.connected, 'connected'],
          [frameworks.disconnected, 'disconnected'],
          [frameworks.completed, 'completed'],
        ),
      ],
      ['tasks', counted],
    ],
    terminal,
  )
  if (resources.length === 0) return facts
  const table = renderTable(
    ['RESOURCE', 'USED', 'OFFERED', 'TOTAL', ''].map((title) => color.dim(title)),
    resources.map(({ name, used, offered, total }) => [
      name,
      ...[used, offered, total].map((amount) => number(amount * 1000)),
      bar(used, offered, total),
    ]),
    [false, true, true, true],
  )
  return `${facts}\n${table}`
}

/** The first count always, the others where they are not 0. */
function listed(...counts: ReadonlyArray<readonly [count: number, what: string]>): string {
  return counts
    .filter(([count], index) => index === 0 || count > 0)
    .map(([count, what]) => `${count} ${what}`)
    .join(', ')
}

const barWidth = 20

function bar(used: number, offered: number, total: number): string {
  if (total === 0) return ''
  const filled = Math.round((used / total) * barWidth)
  const held = Math.min(barWidth - filled, Math.round((offered / total) * barWidth))
  return `${'#'.repeat(filled)}${'+'.repeat(held)}${'.'.repeat(barWidth - filled - held)}`
}
