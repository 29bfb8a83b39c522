/** `meseta reservation`: resources that are kept for a role. */
import Type from 'typebox'
import { ReserveResources, UnreserveResources } from '../../../protocol/operator.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { formatFault, parseResources } from '../../resources/index.ts'
import { amountsText } from '../amounts.ts'
import { command, noun } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { usage } from '../errors.ts'
import { resolveId } from '../ids.ts'
import { type Listing, printOrWatch, renderListing } from '../output.ts'
import {
  agentIdOf,
  partOf,
  type Reservation,
  reservationsOf,
  withReservation,
} from '../reserved.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'
import { agentsOf, findAgent } from './agent.ts'

const ls = command({
  name: 'ls',
  section: 'reservation_ls',
  summary: 'List what is reserved.',
  examples: [
    ['meseta reservation ls', 'all, agent by agent'],
    ['meseta reservation ls --role eng', 'of one role'],
    ['meseta reservation ls -o name', 'as AGENT/ROLE, which rm takes'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: { role: Type.String({ description: 'only of this role', default: '' }) },
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const all = reservationsOf(await agentsOf(client))
        const shown = all.filter(({ role }) => options.role === '' || options.role === role)
        return renderListing(listing, shown, options.output, terminal)
      }),
    ),
})

const create = command({
  name: 'create',
  section: 'reservation_create',
  operands: '<agent> <resources>',
  summary: 'Reserve resources of an agent for a role.',
  about:
    'Offers that hold them are withdrawn; what tasks use cannot be reserved. A role below another one, as eng/web below eng, may be given resources that are reserved for that one, with --on.',
  examples: [
    ["meseta reservation create host7 'cpus:2;mem:512' --role eng", 'by host name'],
    ["meseta reservation create 3f 'disk:4096' --role eng", 'disk for volumes'],
    ["meseta reservation create 3f 'cpus:1' --role eng/web --on eng", 'of what eng has'],
  ],
  shared: connectionSettings,
  own: {
    role: Type.String({ description: 'who they are kept for', default: '' }),
    on: Type.String({
      description: 'take them of what is reserved for this role',
      default: '',
      placeholder: 'ROLE',
    }),
    principal: Type.String({ description: 'who is noted to have reserved them', default: '' }),
  },
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const [agentGiven = '', text = ''] = operands
      const { role, on, principal } = options
      if (role === '') throw usage('--role: say for which role, as in --role eng')
      const agent = await findAgent(client, agentGiven)
      const below = on === '' ? [] : (await onlyReservation(client, agentIdOf(agent), on)).stack
      const top = { type: 'DYNAMIC' as const, role, ...(principal !== '' && { principal }) }
      const resources = withReservation(parse(text), below, top)
      await client.master(ReserveResources, {
        reserve_resources: { agent_id: { value: agentIdOf(agent) }, resources },
      })
      const { hostname } = agent.agent_info
      terminal.out(`${amountsText(resources)} of ${hostname} is reserved for ${role}\n`)
    }),
})

const rm = command({
  name: 'rm',
  section: 'reservation_rm',
  operands: '<reservation> [resources]',
  summary: 'Give reserved resources back.',
  about:
    'A reservation is named as AGENT/ROLE, by host name or by id. Without resources all of it ends, volumes excepted: these are destroyed with "meseta volume rm".',
  examples: [
    ['meseta reservation rm host7/eng', 'all that eng has there'],
    ["meseta reservation rm host7/eng 'cpus:1'", 'a part of it'],
  ],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const [given = '', text = ''] = operands
      const reservation = resolve(reservationsOf(await agentsOf(client)), given)
      const resources = partOf(reservation, text === '' ? [] : parse(text))
      await client.master(UnreserveResources, {
        unreserve_resources: { agent_id: { value: agentIdOf(reservation.agent) }, resources },
      })
      const { hostname } = reservation.agent.agent_info
      const { role } = reservation
      terminal.out(
        `${amountsText(resources)} of ${hostname} is not reserved for ${role} any more\n`,
      )
    }),
})

export const reservationCommand = noun(
  'reservation',
  'Reservations: resources that are kept for a role.',
  [ls, create, rm],
)

function parse(text: string): Resource[] {
  const parsed = parseResources(text)
  if (!parsed.ok) throw usage(`resources: ${formatFault(parsed.error)}`)
  if (parsed.value.length === 0) throw usage('resources: say which, as in cpus:2;mem:512')
  return parsed.value
}

/** Dynamic ones are what can be given back; of several that are called alike the one that is. */
function resolve(all: readonly Reservation[], given: string): Reservation {
  const candidates = all
    .filter(({ stack }) => stack.at(-1)?.type === 'DYNAMIC')
    .map((reservation) => ({
      id: nameOf(reservation),
      names: [`${reservation.agent.agent_info.hostname}/${reservation.role}`],
      reservation,
    }))
  return resolveId('reservation', given, candidates).reservation
}

async function onlyReservation(client: ClusterClient, agentId: string, role: string) {
  const candidates = reservationsOf(await agentsOf(client))
    .filter(({ agent }) => agentIdOf(agent) === agentId)
    .map((reservation) => ({ id: reservation.role, reservation }))
    .filter(({ id }) => id === role)
  return resolveId('reservation', role, candidates).reservation
}

function nameOf({ agent, role }: Reservation): string {
  return `${agentIdOf(agent)}/${role}`
}

const listing: Listing<Reservation> = {
  empty: 'Nothing is reserved. Reserve with: meseta reservation create AGENT RESOURCES --role ROLE',
  name: nameOf,
  document: ({ agent, role, resources }) => ({
    agent_id: agent.agent_info.id,
    hostname: agent.agent_info.hostname,
    role,
    resources,
  }),
  columns: [
    { title: 'HOST', value: ({ agent }) => agent.agent_info.hostname },
    { title: 'ROLE', value: ({ role }) => role },
    { title: 'TYPE', value: ({ stack }) => stack.at(-1)?.type?.toLowerCase() ?? '' },
    { title: 'RESOURCES', value: ({ resources }) => amountsText(resources) },
    { title: 'AGENT', value: ({ agent }) => agentIdOf(agent) },
    { title: 'PRINCIPAL', value: ({ stack }) => stack.at(-1)?.principal ?? '-', wide: true },
    {
      title: 'ON',
      value: ({ stack }) =>
        stack
          .slice(0, -1)
          .map(({ role }) => role)
          .join(' < ') || '-',
      wide: true,
    },
  ],
}
