/**
 * The framework that `meseta up --demo` runs: a dozen short commands, spread over the agents, shown as a
 * table that lives on a terminal and as lines in a pipe.
 */
import { userInfo } from 'node:os'
import type { MasterAgents } from '../../../protocol/operator.ts'
import {
  connectScheduler,
  type TaskProgress,
  TaskRun,
  type TaskSpec,
} from '../../framework/index.ts'
import { quantitiesOf, resources } from '../../resources/index.ts'
import type { Ports } from '../../runtime/index.ts'
import { exitCodeOf, exitStatusOf } from '../exit-status.ts'
import { LiveLines } from '../live.ts'
import { renderTable } from '../output.ts'
import { paintState } from '../states.ts'
import type { Terminal } from '../terminal.ts'

/** Each takes about half a second, so that one can watch. */
const commandLines = [
  'echo hello from task $MESOS_TASK_ID',
  'uname -sr',
  'date',
  'expr 6 "*" 7',
  'seq 1 5 | tr "\\n" " "',
  'wc -l /etc/passwd',
  'ls / | head -3',
  'printf "%s\\n" "$MESOS_SANDBOX"',
  'id -un',
  'cksum /etc/hosts',
  'test 1 -lt 2 && echo true',
  'pwd',
]
const pauseSeconds = 0.4

export interface DemoOptions {
  readonly ports: Ports
  readonly cluster: string
  readonly agents: MasterAgents
  readonly terminal: Terminal
}

/** Runs the commands; resolves with 0, or 1 if one of them failed. Rejects if the framework was ended. */
export async function runDemo({ ports, cluster, agents, terminal }: DemoOptions): Promise<number> {
  const names = new Map(
    agents.agents.map(({ agent_info }) => [agent_info.id?.value ?? '', agent_info.hostname]),
  )
  const show = display(terminal, names)
  let done: (all: readonly TaskProgress[]) => void = () => {}
  const finished = new Promise<readonly TaskProgress[]>((resolve) => {
    done = resolve
  })
  const run = new TaskRun({
    tasks: specs(agents),
    onProgress: (changed) => show.changed(changed, run.progress),
    onDone: (all) => done(all),
  })
  const { driver, ended, close } = await connectScheduler({
    ports,
    cluster,
    framework: { name: 'demo', user: userInfo().username },
    callbacks: run.callbacks,
  })
  try {
    const all = await Promise.race([
      finished,
      ended.then(() => {
        throw new Error('the demonstration framework was torn down')
      }),
    ])
    show.summary(all)
    return exitCodeOf(all) === 0 ? 0 : 1
  } finally {
    // A turn later: the last acknowledgement goes out before the end of the framework.
    await new Promise((resolve) => setImmediate(resolve))
    driver.teardown()
    await close()
  }
}

/** So large that no agent has room for more than its share: all of them get some. */
function specs({ agents }: MasterAgents): TaskSpec[] {
  const each = Math.ceil(commandLines.length / Math.max(1, agents.length))
  const least = Math.min(
    ...agents.map(({ agent_info, total_resources }) => {
      const total = resources(total_resources ?? agent_info.resources ?? [])
      return (quantitiesOf(total).get('cpus') ?? 1000) / 1000
    }),
  )
  const cpus = Math.floor((least / each) * 100) / 100
  return commandLines.map((line, index) => ({
    name: `demo-${String(index + 1).padStart(2, '0')}`,
    command: `${line}; sleep ${pauseSeconds}`,
    cpus,
    mem: 32,
  }))
}

/** Of task, agent, state and exit, with the blanks between. */
const otherColumnsWidth = 42

/** Both ways of showing progress. */
function display(terminal: Terminal, names: ReadonlyMap<string, string>) {
  const live = terminal.live ? new LiveLines(terminal) : undefined
  const agentName = (agentId: string | undefined) =>
    agentId === undefined ? '-' : (names.get(agentId) ?? agentId)

  // A wrapped line would be counted as one, and the table drawn again below itself.
  const commandWidth = Math.max(10, Math.min(40, terminal.columns() - otherColumnsWidth))

  const table = (all: readonly TaskProgress[]) =>
    renderTable(
      ['TASK', 'COMMAND', 'AGENT', 'STATE', 'EXIT'].map((title) => terminal.color.dim(title)),
      all.map(({ spec, agentId, state, status }) => [
        spec.name,
        spec.command.split(`; sleep ${pauseSeconds}`)[0]!.slice(0, commandWidth),
        agentName(agentId),
        paintState(state, terminal),
        String(exitStatusOf(status) ?? ''),
      ]),
    )

  return {
    changed({ spec, state, agentId, status }: TaskProgress, all: readonly TaskProgress[]) {
      if (live !== undefined) live.draw(table(all).trimEnd().split('\n'))
      else if (state === 'TASK_RUNNING') {
        terminal.out(`${spec.name} runs on ${agentName(agentId)}\n`)
      } else if (state !== 'TASK_STAGING' && state !== 'TASK_STARTING') {
        const exit = exitStatusOf(status)
        terminal.out(`${spec.name} ${state}${exit === undefined ? '' : ` (exit ${exit})`}\n`)
      }
    },
    summary(all: readonly TaskProgress[]) {
      live?.clear()
      const used = new Set(all.map(({ agentId }) => agentId)).size
      const finished = all.filter(({ state }) => state === 'TASK_FINISHED').length
      terminal.out(
        `\n${table(all)}\n${finished} of ${all.length} tasks finished, on ${used} agents\n`,
      )
    },
  }
}
