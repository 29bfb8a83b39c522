/** `meseta task`: what runs, and what has run. */
import Type from 'typebox'
import { GetTasks, KillTask } from '../../../protocol/operator.ts'
import { isTerminal } from '../../../protocol/v1/status.ts'
import type { Task } from '../../../protocol/v1/task.ts'
import { amountsText } from '../amounts.ts'
import { command, noun } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { commandError } from '../errors.ts'
import { exitStatusOf } from '../exit-status.ts'
import { resolveId } from '../ids.ts'
import { type Listing, printOrWatch, renderFacts, renderJson, renderListing } from '../output.ts'
import { followFile, readAt, sandboxPath } from '../sandbox.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'
import { paintState } from '../states.ts'
import type { Terminal } from '../terminal.ts'
import { age, timestamp } from '../times.ts'
import { agentsOf } from './agent.ts'

/** How often a followed task is looked up, to see its end. */
const lookMs = 500

const ls = command({
  name: 'ls',
  section: 'task_ls',
  summary: 'List the tasks.',
  examples: [
    ['meseta task ls', 'those that have not ended'],
    ['meseta task ls --all --framework 3f', 'all that a framework has run'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {
    all: Type.Boolean({ description: 'those that have ended too', default: false, short: 'a' }),
    framework: Type.String({
      description: 'only of this framework (prefix of its id)',
      default: '',
      placeholder: 'ID',
    }),
    agent: Type.String({
      description: 'only on this agent (prefix of its id, or its host name)',
      default: '',
      placeholder: 'ID',
    }),
  },
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const hosts = await hostNames(client)
        const shown = (await allTasks(client)).filter(
          ({ state, framework_id, agent_id }) =>
            (options.all || !isTerminal(state)) &&
            framework_id.value.startsWith(options.framework) &&
            (agent_id.value.startsWith(options.agent) ||
              hosts.get(agent_id.value) === options.agent),
        )
        return renderListing(listing(terminal, hosts), shown, options.output, terminal)
      }),
    ),
})

const info = command({
  name: 'info',
  section: 'task_info',
  operands: '<id>',
  summary: 'Show one task and how it came to its state.',
  examples: [['meseta task info web-3', 'the task whose id begins with web-3']],
  shared: { ...connectionSettings, ...outputSettings },
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const task = await findTask(client, operands[0]!)
      if (options.output === 'json') return terminal.out(renderJson(task))
      if (options.output === 'name') return terminal.out(`${task.task_id.value}\n`)
      const hosts = await hostNames(client)
      terminal.out(
        renderFacts(
          [
            ['id', task.task_id.value],
            ['name', task.name],
            ['framework', task.framework_id.value],
            ['agent', hostOf(task, hosts)],
            ['state', paintState(task.state, terminal)],
            ['exit', exitOf(task) || '-'],
            ['resources', amountsText(task.resources)],
            ['sandbox', sandboxPath(task)],
            ['history', historyOf(task)],
          ],
          terminal,
        ),
      )
    }),
})

const logs = command({
  name: 'logs',
  section: 'task_logs',
  operands: '<id>',
  summary: "Print a task's output.",
  examples: [
    ['meseta task logs web-3', 'what it has written to standard output'],
    ['meseta task logs -f web-3', 'and what it will write, until it ends'],
    ['meseta task logs --stderr web-3', 'standard error'],
  ],
  shared: connectionSettings,
  own: {
    follow: Type.Boolean({
      description: 'go on until the task has ended',
      default: false,
      short: 'f',
    }),
    stderr: Type.Boolean({ description: 'standard error instead', default: false }),
  },
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const task = await findTask(client, operands[0]!)
      const path = `${sandboxPath(task)}/${options.stderr ? 'stderr' : 'stdout'}`
      const file = { client, agentId: task.agent_id.value, path }
      let ended = !options.follow || isTerminal(task.state)
      if (ended && (await readAt(file, 0)) === undefined) {
        throw commandError('NOT_FOUND', { kind: 'file', id: `${path} on ${task.agent_id.value}` })
      }
      const look = setInterval(async () => {
        const now = await currentState(client, task).catch(() => undefined)
        if (now !== undefined && isTerminal(now)) ended = true
      }, lookMs)
      try {
        await followFile({ ...file, write: (data) => terminal.out(data), ended: () => ended })
      } finally {
        clearInterval(look)
      }
    }),
})

const kill = command({
  name: 'kill',
  section: 'task_kill',
  operands: '<id...>',
  summary: 'Kill tasks as if their framework had asked for it.',
  examples: [['meseta task kill web-3 web-4', 'two tasks']],
  shared: connectionSettings,
  own: {
    grace_ms: Type.Integer({
      description: 'time between SIGTERM and SIGKILL in milliseconds; -1: what the task says',
      default: -1,
      minimum: -1,
      placeholder: 'MS',
    }),
  },
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const policy = { grace_period: { nanoseconds: options.grace_ms * 1e6 } }
      for (const given of operands) {
        const { framework_id, task_id } = await findTask(client, given)
        await client.master(KillTask, {
          kill_task: {
            framework_id,
            task_id,
            ...(options.grace_ms >= 0 && { kill_policy: policy }),
          },
        })
        terminal.out(`${task_id.value} is being killed\n`)
      }
    }),
})

export const taskCommand = noun('task', 'Tasks: what runs, and what has run.', [
  ls,
  info,
  logs,
  kill,
])

/** Active, unreachable and completed ones. */
async function allTasks(client: ClusterClient): Promise<Task[]> {
  const { get_tasks: listed } = await client.master(GetTasks)
  return [...listed.tasks, ...listed.unreachable_tasks, ...listed.completed_tasks]
}

/** By unique prefix of its id, or as FRAMEWORK/TASK. */
async function findTask(client: ClusterClient, given: string): Promise<Task> {
  const candidates = (await allTasks(client)).map((task) => {
    const label = `${task.framework_id.value}/${task.task_id.value}`
    return { id: task.task_id.value, names: [label], label, task }
  })
  return resolveId('task', given, candidates).task
}

async function currentState(client: ClusterClient, task: Task): Promise<Task['state'] | undefined> {
  const found = (await allTasks(client)).find(
    ({ task_id, framework_id }) =>
      task_id.value === task.task_id.value && framework_id.value === task.framework_id.value,
  )
  // One that nobody knows any more has ended.
  return found?.state ?? 'TASK_LOST'
}

async function hostNames(client: ClusterClient): Promise<Map<string, string>> {
  const agents = await agentsOf(client)
  return new Map(agents.map(({ agent_info }) => [agent_info.id?.value ?? '', agent_info.hostname]))
}

function hostOf({ agent_id }: Task, hosts: ReadonlyMap<string, string>): string {
  return hosts.get(agent_id.value) ?? agent_id.value
}

function exitOf({ statuses }: Task): string {
  return String(exitStatusOf(statuses?.at(-1)) ?? '')
}

function historyOf({ statuses = [] }: Task): string {
  const lines = statuses.map(({ state, timestamp: at, message, reason }) =>
    [timestamp(at === undefined ? undefined : at * 1000), state, reason, message]
      .filter((part) => part !== undefined && part !== '')
      .join('  '),
  )
  return lines.join('\n') || '-'
}

function listing(terminal: Terminal, hosts: ReadonlyMap<string, string>): Listing<Task> {
  return {
    empty: 'There are no tasks. Run one with: meseta run -- echo hello',
    name: ({ task_id }) => task_id.value,
    document: (task) => task,
    columns: [
      { title: 'ID', value: ({ task_id }) => task_id.value },
      { title: 'STATE', value: ({ state }) => state, paint: (text) => paintState(text, terminal) },
      { title: 'EXIT', value: exitOf, right: true },
      { title: 'AGENT', value: (task) => hostOf(task, hosts) },
      {
        title: 'AGE',
        value: ({ statuses }) => {
          const since = statuses?.[0]?.timestamp
          return age(since === undefined ? undefined : since * 1000)
        },
        right: true,
      },
      { title: 'FRAMEWORK', value: ({ framework_id }) => framework_id.value },
      { title: 'RESOURCES', value: ({ resources }) => amountsText(resources), wide: true },
      { title: 'MESSAGE', value: ({ statuses }) => statuses?.at(-1)?.message ?? '', wide: true },
    ],
  }
}
