/** `meseta doctor`: what is there, what is missing, and what to do about it. */
import { GetAgents, GetMaster } from '../../../protocol/operator.ts'
import { parseAddress } from '../../transport/address.ts'
import { findNatsServer } from '../../transport/nats-server.ts'
import { command } from '../command.ts'
import { type ClusterClient, connectCluster, serversOf } from '../connection.ts'
import { CommandError, exitCodes } from '../errors.ts'
import { connectionSettings } from '../shared-settings.ts'
import type { Terminal } from '../terminal.ts'

/** Major version from which this package runs (package.json, "engines"). */
const nodeMajorMin = 20

interface Finding {
  readonly level: 'ok' | 'warn' | 'bad'
  readonly what: string
  /** What to do. */
  readonly next?: string
}

export const doctorCommand = command({
  name: 'doctor',
  summary: 'Check this machine and the cluster, and say what to do.',
  about: 'Exits with 1 if something that is needed is missing.',
  examples: [
    ['meseta doctor', 'Node, nats-server, the broker, the leader, the agents'],
    ['meseta doctor --nats nats://broker:4222', 'the cluster at another broker'],
  ],
  shared: connectionSettings,
  own: {},
  async run({ options, terminal }) {
    const findings = [checkNode(process.versions.node), checkNatsServer(findNatsServer())]
    for (const finding of findings) show(finding, terminal)
    try {
      const client = await connectCluster(options)
      try {
        for await (const finding of checkCluster(client, options.nats_url)) {
          findings.push(finding)
          show(finding, terminal)
        }
      } finally {
        await client.close()
      }
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      const finding: Finding = { level: 'bad', what: error.message, next: error.advice }
      findings.push(finding)
      show(finding, terminal)
    }
    return findings.some(({ level }) => level === 'bad') ? exitCodes.failure : exitCodes.ok
  },
})

export function checkNode(version: string): Finding {
  const good = Number(version.split('.')[0]) >= nodeMajorMin
  return good
    ? { level: 'ok', what: `Node ${version}` }
    : { level: 'bad', what: `Node ${version}`, next: `Use Node ${nodeMajorMin} or later.` }
}

export function checkNatsServer(path: string | undefined): Finding {
  if (path !== undefined) return { level: 'ok', what: `nats-server at ${path}` }
  return {
    level: 'warn',
    what: 'no nats-server on this machine',
    next: 'Needed only to start a broker here (Debian: apt-get install nats-server, or set NATS_SERVER_BIN).',
  }
}

async function* checkCluster(client: ClusterClient, url: string): AsyncGenerator<Finding> {
  const startMs = performance.now()
  await client.connection.flush()
  const shown = serversOf(url).map((text) => parseAddress(text).address)
  const tookMs = (performance.now() - startMs).toFixed(1)
  yield { level: 'ok', what: `broker at ${shown.join(', ')} (${tookMs} ms)` }
  const { get_master } = await client.master(GetMaster)
  const { id, hostname } = get_master.master_info ?? { id: '?', hostname: '?' }
  yield { level: 'ok', what: `the master ${id} on ${hostname} leads ${client.subjects.cluster}` }
  const { agents } = (await client.master(GetAgents)).get_agents
  const active = agents.filter((agent) => agent.active).length
  if (active === 0) {
    yield { level: 'bad', what: 'no agent is active', next: 'Start one: meseta start agent' }
  } else if (active < agents.length) {
    yield {
      level: 'warn',
      what: `${active} of ${agents.length} agents are active`,
      next: 'See which: meseta agent ls',
    }
  } else yield { level: 'ok', what: `${active} agents, all active` }
}

function show({ level, what, next }: Finding, { out, color }: Terminal): void {
  const mark = { ok: color.green('ok  '), warn: color.yellow('warn'), bad: color.red('bad ') }[
    level
  ]
  out(`${mark}  ${what}\n${next === undefined || next === '' ? '' : `      ${next}\n`}`)
}
