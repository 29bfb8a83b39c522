/** `meseta volume`: disk space that outlives tasks. */
import Type from 'typebox'
import {
  CreateVolumes,
  DestroyVolumes,
  GrowVolume,
  ShrinkVolume,
} from '../../../protocol/operator.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { stripVolume } from '../../resources/index.ts'
import { command, noun } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { usage } from '../errors.ts'
import { resolveId } from '../ids.ts'
import { type Listing, printOrWatch, renderListing } from '../output.ts'
import { agentIdOf, kindOf, spaceFor, type VolumeEntry, volumesOf } from '../reserved.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'
import { agentsOf, findAgent } from './agent.ts'

const ls = command({
  name: 'ls',
  section: 'volume_ls',
  summary: 'List the persistent volumes.',
  examples: [
    ['meseta volume ls', 'all, agent by agent'],
    ['meseta volume ls --role eng -o json', 'those of one role, as documents'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: { role: Type.String({ description: 'only of this role', default: '' }) },
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const all = volumesOf(await agentsOf(client))
        const shown = all.filter(({ role }) => options.role === '' || options.role === role)
        return renderListing(listing, shown, options.output, terminal)
      }),
    ),
})

const create = command({
  name: 'create',
  section: 'volume_create',
  operands: '<id> <megabytes>',
  summary: 'Make a volume of reserved disk.',
  about:
    "Tasks of the role that accept it find it in their sandbox under the path; what they write there stays after them. Its id must be unique on the agent among the role's volumes.",
  examples: [
    ['meseta volume create db 1024 --agent host7 --role eng', 'seen by tasks as ./volume'],
    ['meseta volume create db 1024 --agent 3f --role eng --path data', 'as ./data'],
    ['meseta volume create db 1024 --agent 3f --role eng --disk /ssd', 'on a disk of its own'],
  ],
  shared: connectionSettings,
  own: {
    agent: Type.String({ description: 'where: host name or id', default: '' }),
    role: Type.String({ description: 'whose reservation it is made of', default: '' }),
    path: Type.String({
      description: 'where tasks see it, below their sandbox',
      default: 'volume',
    }),
    disk: Type.String({
      description: "root of a PATH or MOUNT disk; default: the agent's own disk",
      default: '',
      placeholder: 'ROOT',
    }),
    shared: Type.Boolean({ description: 'many tasks may use it at a time', default: false }),
    principal: Type.String({ description: 'who is noted to have made it', default: '' }),
  },
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const [id = '', amount = ''] = operands
      const { agent: agentGiven, role, path, disk, principal } = options
      if (role === '') throw usage('--role: say whose reservation it is made of')
      if (agentGiven === '') throw usage('--agent: say where')
      const agent = await findAgent(client, agentGiven)
      const root = disk === '' ? undefined : disk
      const space = spaceFor(agent, role, megabytes(amount), root)
      const volume: Resource = {
        ...space,
        disk: {
          ...space.disk,
          persistence: { id, ...(principal !== '' && { principal }) },
          volume: { mode: 'RW', container_path: path },
        },
        ...(options.shared && { shared: {} }),
      }
      await client.master(CreateVolumes, {
        create_volumes: { agent_id: { value: agentIdOf(agent) }, volumes: [volume] },
      })
      terminal.out(`${id} is made on ${agent.agent_info.hostname}\n`)
    }),
})

const grow = command({
  name: 'grow',
  section: 'volume_grow',
  operands: '<id> <megabytes>',
  summary: 'Add reserved disk to a volume that no task uses.',
  examples: [['meseta volume grow db 256', 'by 256 MB']],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const [given = '', amount = ''] = operands
      const { agent, id, resource } = await findVolume(client, given)
      const addition = { ...stripVolume(resource), scalar: { value: megabytes(amount) } }
      await client.master(GrowVolume, {
        grow_volume: { agent_id: { value: agentIdOf(agent) }, volume: resource, addition },
      })
      terminal.out(`${id} has ${size(resource) + megabytes(amount)} MB\n`)
    }),
})

const shrink = command({
  name: 'shrink',
  section: 'volume_shrink',
  operands: '<id> <megabytes>',
  summary: 'Take disk away from a volume that no task uses.',
  examples: [['meseta volume shrink db 256', 'by 256 MB']],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const [given = '', amount = ''] = operands
      const { agent, id, resource } = await findVolume(client, given)
      const subtract = { value: megabytes(amount) }
      await client.master(ShrinkVolume, {
        shrink_volume: { agent_id: { value: agentIdOf(agent) }, volume: resource, subtract },
      })
      terminal.out(`${id} has ${size(resource) - subtract.value} MB\n`)
    }),
})

const rm = command({
  name: 'rm',
  section: 'volume_rm',
  operands: '<id...>',
  summary: 'Destroy volumes that no task uses, and their data.',
  about: 'Its disk stays reserved for its role. The data cannot be brought back.',
  examples: [
    ['meseta volume rm db', 'by its id'],
    ['meseta volume rm host7/eng/db', 'where several are called so'],
  ],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      for (const given of operands) {
        const { agent, id, resource } = await findVolume(client, given)
        await client.master(DestroyVolumes, {
          destroy_volumes: { agent_id: { value: agentIdOf(agent) }, volumes: [resource] },
        })
        terminal.out(`${id} is destroyed\n`)
      }
    }),
})

export const volumeCommand = noun('volume', 'Volumes: disk space that outlives tasks.', [
  ls,
  create,
  grow,
  shrink,
  rm,
])

/** By unique prefix of its id, or as HOST/ROLE/ID. */
async function findVolume(client: ClusterClient, given: string): Promise<VolumeEntry> {
  const candidates = volumesOf(await agentsOf(client)).map((entry) => {
    const label = `${entry.agent.agent_info.hostname}/${entry.role}/${entry.id}`
    return { id: entry.id, names: [label], label, entry }
  })
  return resolveId('volume', given, candidates).entry
}

function megabytes(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw usage(`megabytes: '${text}' must be a number above 0`)
}

function size({ scalar }: Resource): number {
  return scalar?.value ?? 0
}

const listing: Listing<VolumeEntry> = {
  empty: 'There are no volumes. Make one with: meseta volume create ID MEGABYTES --agent --role',
  name: ({ id }) => id,
  document: ({ agent, role, id, resource, used }) => ({
    id,
    agent_id: agent.agent_info.id,
    hostname: agent.agent_info.hostname,
    role,
    used,
    resource,
  }),
  columns: [
    { title: 'ID', value: ({ id }) => id },
    { title: 'ROLE', value: ({ role }) => role },
    { title: 'HOST', value: ({ agent }) => agent.agent_info.hostname },
    { title: 'MB', value: ({ resource }) => String(size(resource)), right: true },
    { title: 'PATH', value: ({ resource }) => resource.disk?.volume?.container_path ?? '' },
    { title: 'USED', value: ({ used }) => (used ? 'yes' : 'no') },
    { title: 'DISK', value: kindOf, wide: true },
    { title: 'AGENT', value: ({ agent }) => agentIdOf(agent), wide: true },
  ],
}
