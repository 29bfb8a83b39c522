/** `meseta framework`: those who run tasks on offers. */
import Type from 'typebox'
import {
  ExplainOffers,
  GetFrameworks,
  GetTasks,
  type OfferExplanation,
  Teardown,
} from '../../../protocol/operator.ts'
import type { FrameworkState } from '../../../protocol/v1/state.ts'
import { amountsOf, amountsText, number } from '../amounts.ts'
import { command, noun } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { resolveId } from '../ids.ts'
import { type Listing, printOrWatch, renderFacts, renderJson, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'
import type { Terminal } from '../terminal.ts'
import { age, timeMs, timestamp } from '../times.ts'
import { findAgent } from './agent.ts'

/** A framework, and whether it has ended. */
interface Row {
  readonly framework: FrameworkState
  readonly completed: boolean
}

const ls = command({
  name: 'ls',
  section: 'framework_ls',
  summary: 'List the frameworks.',
  examples: [
    ['meseta framework ls', 'those that are registered'],
    ['meseta framework ls --all', 'those that have ended too'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {
    all: Type.Boolean({ description: 'those that have ended too', default: false, short: 'a' }),
  },
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const rows = await frameworks(client)
        const shown = rows.filter(({ completed }) => options.all || !completed)
        return renderListing(listing(terminal), shown, options.output, terminal)
      }),
    ),
})

const info = command({
  name: 'info',
  section: 'framework_info',
  operands: '<id>',
  summary: 'Show one framework and its tasks.',
  examples: [['meseta framework info 3f', 'the framework whose id begins with 3f']],
  shared: { ...connectionSettings, ...outputSettings },
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const row = await findFramework(client, operands[0]!)
      const { framework } = row
      if (options.output === 'json') return terminal.out(renderJson(framework))
      if (options.output === 'name') return terminal.out(`${idOf(row)}\n`)
      const { framework_info } = framework
      const { get_tasks } = await client.master(GetTasks)
      const tasks = [...get_tasks.tasks, ...get_tasks.unreachable_tasks].filter(
        ({ framework_id }) => framework_id.value === idOf(row),
      )
      terminal.out(
        renderFacts(
          [
            ['id', idOf(row)],
            ['name', framework_info.name],
            ['state', stateOf(row)],
            ['user', framework_info.user],
            ['roles', rolesOf(row)],
            ['failover', `${framework_info.failover_timeout ?? 0} s`],
            ['registered', timestamp(timeMs(framework.registered_time))],
            ['used', amountsText(framework.allocated_resources)],
            ['offered', amountsText(framework.offered_resources)],
            [
              'tasks',
              tasks.map(({ task_id, state }) => `${task_id.value} ${state}`).join('\n') || '-',
            ],
          ],
          terminal,
        ),
      )
    }),
})

const why = command({
  name: 'why',
  section: 'framework_why',
  operands: '<id>',
  summary: 'Show why a framework is offered each agent, or is not.',
  about:
    'Tells, as things stand after the last allocation cycle, what stands between the framework and each agent in each of its roles: a filter and how long it lasts, quota, suppression, whoever came first, and so on.',
  examples: [
    ['meseta framework why 3f', 'all agents'],
    ['meseta framework why 3f --agent host7', 'one agent'],
    ['meseta framework why 3f -o json', 'as documents, for a program'],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: {
    agent: Type.String({
      description: 'only this agent: its id, a prefix of it, or its host',
      default: '',
      placeholder: 'AGENT',
    }),
  },
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const id = idOf(await findFramework(client, operands[0]!))
      const agent = options.agent === '' ? undefined : await findAgent(client, options.agent)
      const agent_id = agent?.agent_info.id
      const { explain_offers } = await client.master(ExplainOffers, {
        explain_offers: { framework_id: { value: id }, ...(agent_id && { agent_id }) },
      })
      const { explanations } = explain_offers
      terminal.out(renderListing(whyListing(terminal), explanations, options.output, terminal))
      const forPeople = options.output === 'table' || options.output === 'wide'
      if (forPeople && explanations.length > 0) {
        terminal.out(terminal.color.dim(`${summaryOf(explanations)}\n`))
      }
    }),
})

const teardown = command({
  name: 'teardown',
  section: 'framework_teardown',
  operands: '<id>',
  summary: 'End a framework: kill its tasks and forget it.',
  examples: [['meseta framework teardown 3f', 'the framework whose id begins with 3f']],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const row = await findFramework(client, operands[0]!)
      await client.master(Teardown, { teardown: { framework_id: { value: idOf(row) } } })
      terminal.out(`${idOf(row)} is torn down\n`)
    }),
})

export const frameworkCommand = noun('framework', 'Frameworks: those who run tasks on offers.', [
  ls,
  info,
  why,
  teardown,
])

async function frameworks(client: ClusterClient): Promise<Row[]> {
  const { get_frameworks: listed } = await client.master(GetFrameworks)
  return [
    ...listed.frameworks.map((framework) => ({ framework, completed: false })),
    ...listed.completed_frameworks.map((framework) => ({ framework, completed: true })),
  ]
}

/** A framework by unique prefix of its id, or by its name. */
export async function findFramework(client: ClusterClient, given: string): Promise<Row> {
  const candidates = (await frameworks(client)).map((row) => ({
    id: idOf(row),
    names: [row.framework.framework_info.name],
    row,
  }))
  return resolveId('framework', given, candidates).row
}

function idOf({ framework }: Row): string {
  return framework.framework_info.id?.value ?? ''
}

function stateOf({ framework: { active, connected, recovered }, completed }: Row): string {
  if (completed) return 'completed'
  if (!connected) return recovered ? 'recovered' : 'disconnected'
  return active ? 'active' : 'inactive'
}

function rolesOf({ framework: { framework_info } }: Row): string {
  return framework_info.roles?.join(',') ?? framework_info.role ?? '*'
}

function listing({ color }: Terminal): Listing<Row> {
  const used = (name: string) => (row: Row) =>
    number(amountsOf(row.framework.allocated_resources).get(name) ?? 0)
  return {
    empty: 'There are no frameworks.',
    name: idOf,
    document: ({ framework }) => framework,
    columns: [
      { title: 'ID', value: idOf },
      { title: 'NAME', value: ({ framework }) => framework.framework_info.name },
      {
        title: 'STATE',
        value: stateOf,
        paint: (text) => (text === 'active' ? color.green(text) : color.dim(text)),
      },
      { title: 'ROLES', value: rolesOf },
      { title: 'CPUS', value: used('cpus'), right: true },
      { title: 'MEM', value: used('mem'), right: true },
      {
        title: 'AGE',
        value: ({ framework }) => age(timeMs(framework.registered_time)),
        right: true,
      },
      { title: 'USER', value: ({ framework }) => framework.framework_info.user, wide: true },
      {
        title: 'OFFERED',
        value: ({ framework }) => amountsText(framework.offered_resources),
        wide: true,
      },
    ],
  }
}

function whyListing({ color }: Terminal): Listing<OfferExplanation> {
  return {
    empty: 'The framework is in no role, or there are no agents.',
    name: ({ agent_id }) => agent_id.value,
    document: (explanation) => explanation,
    columns: [
      { title: 'AGENT', value: ({ hostname, agent_id }) => hostname || agent_id.value },
      { title: 'ID', value: ({ agent_id }) => agent_id.value, wide: true },
      { title: 'ROLE', value: ({ role }) => role },
      {
        title: 'REASON',
        value: ({ reason }) => reason,
        paint: (text) => (text === 'HELD' || text === 'OFFERABLE' ? color.green(text) : text),
      },
      {
        title: 'ENDS IN',
        value: ({ until }) =>
          until === undefined ? '-' : age(Date.now(), Math.ceil(timeMs(until) ?? 0)),
        right: true,
      },
      { title: 'WHY', value: ({ message }) => message },
      {
        title: 'OFFERS',
        value: ({ offer_ids }) => offer_ids?.map(({ value }) => value).join(',') ?? '-',
        wide: true,
      },
    ],
  }
}

/** `12 agents: 10 REFUSED, 2 HELD`, the most frequent first. */
function summaryOf(explanations: readonly OfferExplanation[]): string {
  const counts = new Map<string, number>()
  for (const { reason } of explanations) counts.set(reason, (counts.get(reason) ?? 0) + 1)
  const agents = new Set(explanations.map(({ agent_id }) => agent_id.value)).size
  const parts = [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([reason, count]) => `${count} ${reason}`)
  return `${agents} agent${agents === 1 ? '' : 's'}: ${parts.join(', ')}`
}
