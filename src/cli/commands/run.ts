/** `meseta run`: a command as tasks, followed to the end. */
import { basename } from 'node:path'
import Type, { type Static } from 'typebox'
import { command } from '../command.ts'
import { withCluster } from '../connection.ts'
import { exitCodes, usage } from '../errors.ts'
import { renderJson, renderTable } from '../output.ts'
import { judge, type Verdict } from '../plan.ts'
import { follow } from '../run/follow.ts'
import { connectionSettings, outputSettings } from '../shared-settings.ts'
import type { Terminal } from '../terminal.ts'
import { parseDuration } from '../times.ts'
import { agentsOf } from './agent.ts'

const own = {
  name: Type.String({
    description: 'what the ids of the tasks begin with (default: the program)',
    default: '',
    placeholder: 'NAME',
  }),
  cpus: Type.Number({ description: 'processors for each task', default: 0.1, minimum: 0 }),
  mem: Type.Number({ description: 'memory for each task, in MB', default: 32, minimum: 0 }),
  disk: Type.Number({ description: 'disk space for each task, in MB', default: 0, minimum: 0 }),
  instances: Type.Integer({
    description: 'how many tasks',
    default: 1,
    minimum: 1,
    maximum: 100_000,
    short: 'n',
  }),
  env: Type.Array(Type.String({ pattern: '^[^=\\s]+=' }), {
    description: 'variable for the tasks',
    default: [],
    short: 'e',
    placeholder: 'K=V',
  }),
  timeout: Type.String({
    description: 'kill what still runs after this time, as in 30s or 5m, and exit with 124',
    default: '',
    placeholder: 'TIME',
  }),
  role: Type.String({ description: 'role to run in', default: '*', placeholder: 'ROLE' }),
  volume: Type.Array(Type.String({ pattern: '^[^:]+(:[^:]+)?$' }), {
    description:
      "persistent volume of the role, and where the task sees it if not at the volume's own path",
    default: [],
    placeholder: 'ID[:PATH]',
  }),
  revocable: Type.Boolean({
    description: 'use what agents lend, where they do; the tasks may be killed at any time',
    default: false,
  }),
  user: Type.String({
    description: 'user to run as (default: as the framework, who calls this)',
    default: '',
    placeholder: 'USER',
  }),
  shell: Type.Boolean({
    description: 'the operands are one line for sh -c instead of a program and its arguments',
    default: false,
  }),
  attribute: Type.Array(Type.String({ pattern: '^[^:]+:.' }), {
    description: 'only on agents with this attribute, as in rack:r7',
    default: [],
    placeholder: 'NAME:VALUE',
  }),
  kill_grace: Type.String({
    description: 'time between SIGTERM and SIGKILL when a task is killed',
    default: '3s',
    placeholder: 'TIME',
  }),
  plan: Type.Boolean({
    description: 'only say which agents could take it now, and what the others lack',
    default: false,
  }),
}
const shared = { ...connectionSettings, ...outputSettings }
const schema = Type.Object({ ...own, ...shared })

/** The values of all settings of `run`. */
export type RunOptions = Static<typeof schema>

export const runCommand = command({
  name: 'run',
  operands: '[command...]',
  passThrough: true,
  summary: 'Run a command as tasks and follow it to the end.',
  about:
    'A single task has its output shown as it comes, and its exit code is that of this command (128 + n\n' +
    'for signal n). Of several, one that fails makes it 1. Ctrl-C kills the tasks and exits with 130.',
  examples: [
    ["meseta run -- sh -c 'echo hi; exit 3'", 'prints hi, exits with 3'],
    ['meseta run --shell "ls | wc -l"', 'a line for the shell'],
    ['meseta run --instances 500 -- true', '500 tasks'],
    ['meseta run --cpus 2 --mem 4096 --timeout 10m -- make -j2', 'with room, and an end'],
    ['meseta run --role eng --volume db:data -- ls data', 'with a persistent volume'],
    ['meseta run --plan --cpus 64', 'who could take it, and why the others could not'],
  ],
  shared,
  own,
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      if (options.plan) return plan(await agentsOf(client), options, terminal)
      if (operands.length === 0) {
        throw usage(
          'there is no command to run',
          'Give it after --, as in: meseta run -- echo hello',
        )
      }
      return follow({
        client,
        options,
        terminal,
        operands,
        name: nameOf(options, operands),
        timeoutMs: options.timeout === '' ? undefined : parseDuration(options.timeout, '--timeout'),
        graceMs: parseDuration(options.kill_grace, '--kill-grace'),
      })
    }),
})

/** `/usr/bin/make` gives `make`. Ids are names of directories. */
function nameOf({ name, shell }: RunOptions, operands: readonly string[]): string {
  const given = name || (shell ? 'shell' : basename(operands[0]!))
  const fit = given.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 64)
  if (name !== '' && fit !== name) {
    throw usage(`--name: must be up to 64 letters, digits, "-" and "_", not ${name}`)
  }
  return fit || 'task'
}

function plan(
  agents: Parameters<typeof judge>[0][],
  options: RunOptions,
  terminal: Terminal,
): number {
  const { cpus, mem, disk, attribute: attributes, output, instances } = options
  const verdicts = agents.map((agent) => judge(agent, { request: { cpus, mem, disk }, attributes }))
  const places = verdicts.reduce((sum, { fits }) => sum + fits, 0)
  const shown = output === 'name' ? verdicts.filter(({ fits }) => fits > 0) : verdicts
  if (output === 'json') terminal.out(renderJson(verdicts))
  else if (output === 'name') terminal.out(shown.map(({ agentId }) => `${agentId}\n`).join(''))
  else {
    terminal.out(planTable(verdicts, terminal))
    const able = verdicts.filter(({ fits }) => fits > 0).length
    terminal.out(
      `\n${able} of ${agents.length} agents could take such a task now; there is room for ${places === Number.POSITIVE_INFINITY ? 'any number' : places}, ${instances} wanted\n`,
    )
  }
  return places > 0 ? exitCodes.ok : exitCodes.failure
}

function planTable(verdicts: readonly Verdict[], { color }: Terminal): string {
  return renderTable(
    ['AGENT', 'HOST', 'FITS', 'LACKS'].map((title) => color.dim(title)),
    verdicts.map(({ agentId, hostname, fits, lacks }) => [
      agentId,
      hostname,
      fits > 0
        ? color.green(fits === Number.POSITIVE_INFINITY ? 'any' : String(fits))
        : color.red('0'),
      lacks.join('; '),
    ]),
    [false, false, true],
  )
}
