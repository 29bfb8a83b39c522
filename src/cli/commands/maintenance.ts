/** `meseta maintenance`: machines that are to be, or are being, maintained. */
import Type from 'typebox'
import {
  GetMaintenanceSchedule,
  GetMaintenanceStatus,
  StartMaintenance,
  StopMaintenance,
  UpdateMaintenanceSchedule,
} from '../../../protocol/operator.ts'
import type { Unavailability } from '../../../protocol/v1/ids.ts'
import {
  type InverseOfferStatus,
  type MaintenanceWindow,
  machineKey,
} from '../../../protocol/v1/maintenance.ts'
import { command, noun } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { commandError } from '../errors.ts'
import { type Listing, printOrWatch, renderListing } from '../output.ts'
import {
  confirmed,
  connectionSettings,
  outputSettings,
  watchSettings,
  yesSetting,
} from '../shared-settings.ts'
import { age, parseDuration, timeMs, timestamp } from '../times.ts'

const status = command({
  name: 'status',
  section: 'maintenance_status',
  summary: 'List the machines in the schedule, and what frameworks said to it.',
  examples: [
    ['meseta maintenance status', 'a table'],
    ['meseta maintenance status -o name', 'host names only'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () =>
        renderListing(listing, await machinesOf(client), options.output, terminal),
      ),
    ),
})

const schedule = command({
  name: 'schedule',
  section: 'maintenance_schedule',
  operands: '<host...>',
  summary: 'Plan maintenance of machines.',
  about:
    'Frameworks that use these machines are asked to give them back before it; offers say when it begins. Nothing happens by itself at that time. A machine that is in the schedule already gets the new window.',
  examples: [
    ['meseta maintenance schedule host7 host8 --in 2h --for 30m', 'two machines, in two hours'],
    ['meseta maintenance schedule host7', 'from now on, without an end'],
  ],
  shared: connectionSettings,
  own: {
    in: Type.String({ description: 'it begins after this time', default: '0s' }),
    for: Type.String({
      description: 'it lasts for this time (default: without end)',
      default: '',
      placeholder: 'DURATION',
    }),
  },
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const startMs = Date.now() + parseDuration(options.in, '--in')
      const unavailability: Unavailability = {
        start: { nanoseconds: startMs * 1e6 },
        ...(options.for !== '' && {
          duration: { nanoseconds: parseDuration(options.for, '--for') * 1e6 },
        }),
      }
      const others = without(await windowsOf(client), operands)
      const machine_ids = operands.map((hostname) => ({ hostname }))
      await update(client, [...others, { machine_ids, unavailability }])
      terminal.out(`maintenance of ${operands.join(', ')} begins ${timestamp(startMs)}\n`)
    }),
})

const cancel = command({
  name: 'cancel',
  section: 'maintenance_cancel',
  operands: '<host...>',
  summary: 'Take machines out of the schedule again.',
  examples: [['meseta maintenance cancel host7', 'it stays up']],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const windows = await windowsOf(client)
      const planned = windows.flatMap(({ machine_ids }) => machine_ids.map(machineKey))
      const stranger = operands.find((hostname) => !planned.includes(machineKey({ hostname })))
      if (stranger !== undefined) {
        throw commandError('NOT_FOUND', { kind: 'machine in the schedule called', id: stranger })
      }
      await update(client, without(windows, operands))
      terminal.out(`no maintenance of ${operands.join(', ')} is planned any more\n`)
    }),
})

const start = command({
  name: 'start',
  section: 'maintenance_start',
  operands: '<host...>',
  summary: 'Begin maintenance: shut the agents down on machines of the schedule.',
  about: 'Their tasks are lost. Agents of these machines cannot register until it is stopped.',
  examples: [['meseta maintenance start host7 --yes', 'it may be switched off after that']],
  shared: { ...connectionSettings, ...yesSetting },
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      confirmed(options, 'the tasks on these machines are lost')
      const machines = operands.map((hostname) => ({ hostname }))
      await client.master(StartMaintenance, { start_maintenance: { machines } })
      terminal.out(`${operands.join(', ')} may be taken down\n`)
    }),
})

const stop = command({
  name: 'stop',
  section: 'maintenance_stop',
  operands: '<host...>',
  summary: 'End maintenance: agents of these machines may register again.',
  examples: [['meseta maintenance stop host7', 'then start its agent']],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const machines = operands.map((hostname) => ({ hostname }))
      await client.master(StopMaintenance, { stop_maintenance: { machines } })
      terminal.out(`${operands.join(', ')} may be used again\n`)
    }),
})

export const maintenanceCommand = noun(
  'maintenance',
  'Maintenance: machines that are taken down for a while.',
  [status, schedule, cancel, start, stop],
)

async function windowsOf(client: ClusterClient): Promise<MaintenanceWindow[]> {
  const { get_maintenance_schedule: answer } = await client.master(GetMaintenanceSchedule)
  return answer.schedule.windows ?? []
}

/** The windows without some machines, and without those that then have none. */
function without(
  windows: readonly MaintenanceWindow[],
  hostnames: readonly string[],
): MaintenanceWindow[] {
  const keys = new Set(hostnames.map((hostname) => machineKey({ hostname })))
  return windows
    .map(({ machine_ids, unavailability }) => ({
      machine_ids: machine_ids.filter((id) => !keys.has(machineKey(id))),
      unavailability,
    }))
    .filter(({ machine_ids }) => machine_ids.length > 0)
}

async function update(client: ClusterClient, windows: MaintenanceWindow[]): Promise<void> {
  await client.master(UpdateMaintenanceSchedule, {
    update_maintenance_schedule: { schedule: { windows } },
  })
}

interface Machine {
  readonly hostname: string
  readonly mode: 'draining' | 'down'
  readonly unavailability: Unavailability
  readonly answers: readonly InverseOfferStatus[]
}

async function machinesOf(client: ClusterClient): Promise<Machine[]> {
  const { get_maintenance_status: answer } = await client.master(GetMaintenanceStatus)
  const { draining_machines = [], down_machines = [] } = answer.status
  const down = new Set(down_machines.map(machineKey))
  const answers = new Map(
    draining_machines.map(({ id, statuses = [] }) => [machineKey(id), statuses]),
  )
  return (await windowsOf(client)).flatMap(({ machine_ids, unavailability }) =>
    machine_ids.map((id) => ({
      hostname: id.hostname ?? '',
      mode: down.has(machineKey(id)) ? 'down' : 'draining',
      unavailability,
      answers: answers.get(machineKey(id)) ?? [],
    })),
  )
}

function count(answers: readonly InverseOfferStatus[], wanted: InverseOfferStatus['status']) {
  return String(answers.filter(({ status }) => status === wanted).length)
}

const listing: Listing<Machine> = {
  empty: 'No maintenance is planned. Plan some with: meseta maintenance schedule HOST',
  name: ({ hostname }) => hostname,
  document: (machine) => machine,
  columns: [
    { title: 'HOST', value: ({ hostname }) => hostname },
    { title: 'MODE', value: ({ mode }) => mode },
    { title: 'BEGINS', value: ({ unavailability }) => timestamp(timeMs(unavailability.start)) },
    {
      title: 'LASTS',
      value: ({ unavailability }) =>
        unavailability.duration === undefined ? '-' : age(0, timeMs(unavailability.duration)),
      right: true,
    },
    { title: 'ACCEPTED', value: ({ answers }) => count(answers, 'ACCEPT'), right: true },
    { title: 'DECLINED', value: ({ answers }) => count(answers, 'DECLINE'), right: true },
  ],
}
