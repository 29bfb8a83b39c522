/**
 * Maintenance of machines: planned, begun and ended by operators; nothing happens by the clock. A machine
 * is known by its host name, since agents reach the master through the broker and have no address of
 * their own. Spec: operator-api.md §B.1, master.md §13.
 */
import { isDeepStrictEqual } from 'node:util'
import { ShutdownAgent } from '../../protocol/agent.ts'
import { UpdateUnavailability } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import { ok, type Result } from '../../protocol/result.ts'
import {
  type ClusterStatus,
  type MachineId,
  type MachineInfo,
  type MaintenanceSchedule,
  type MaintenanceWindow,
  machineKey,
} from '../../protocol/v1/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import { rescindInverseOffersOf } from './inverse-offers.ts'
import { encodeAgentPart } from './offer-encoding.ts'
import { rescindOffers } from './offers.ts'
import type { Answer } from './operator.ts'
import { unregisterAgent } from './registration.ts'
import { store } from './registry.ts'
import { type Agent, type MasterState, unavailabilityOf } from './state.ts'
import { noEntries } from './tables.ts'

/** GET_MAINTENANCE_SCHEDULE: machines of one window together, those that are down too. */
export function scheduleDocument({ machines }: MasterState): MaintenanceSchedule {
  const windows = new Map<string, MaintenanceWindow>()
  for (const { id, unavailability } of machines.values()) {
    if (unavailability === undefined) continue
    const key = JSON.stringify([unavailability.start, unavailability.duration])
    const window = windows.get(key)
    if (window === undefined) windows.set(key, { machine_ids: [id], unavailability })
    else window.machine_ids.push(id)
  }
  return { windows: [...windows.values()] }
}

/** GET_MAINTENANCE_STATUS. */
export function statusDocument(state: MasterState): ClusterStatus {
  const inMode = (mode: MachineInfo['mode']) =>
    [...state.machines.values()].filter((machine) => machine.mode === mode).map(({ id }) => id)
  return {
    draining_machines: inMode('DRAINING').map((id) => {
      const statuses = agentsOn(state, [id]).flatMap((each) => [...each.inverseAnswers.values()])
      return { id, statuses }
    }),
    down_machines: inMode('DOWN'),
  }
}

/** UPDATE_MAINTENANCE_SCHEDULE: instead of the former; machines that are down must be in it. */
export function updateSchedule(
  state: MasterState,
  { windows = [] }: MaintenanceSchedule,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const problem = scheduleProblem(windows) ?? missingProblem(state, windows)
  if (problem !== undefined) return fail('INVALID_MESSAGE', { problem: `${SCHEDULE}${problem}` })
  const machines = windows.flatMap(({ machine_ids, unavailability }) =>
    machine_ids.map((id) => ({ id, unavailability })),
  )
  store(state, [{ type: 'UPDATE_SCHEDULE', machines }], cx, () => {
    const former = new Map(state.machines)
    state.machines.clear()
    for (const machine of machines) {
      const key = machineKey(machine.id)
      state.machines.set(key, { ...machine, mode: former.get(key)?.mode ?? 'DRAINING' })
    }
    tellUnavailability(state, cx)
    later(ok({}))
  })
  return undefined
}

const SCHEDULE = 'update_maintenance_schedule.schedule.'

/** The agents whose windows have changed: what was offered and asked under the former is void. */
function tellUnavailability(state: MasterState, cx: Context): void {
  const changed = [...state.agents.values()].filter(
    (agent) => !isDeepStrictEqual(agent.unavailability, unavailabilityOf(state, agent.info)),
  )
  for (const agent of changed) {
    agent.unavailability = unavailabilityOf(state, agent.info)
    agent.encoded = encodeAgentPart(agent.info, agent.unavailability)
    agent.inverseAnswers = noEntries
    rescindInverseOffersOf(state, agent, cx)
    rescindOffers(state, [...agent.offers], cx)
  }
  if (changed.length === 0) return
  const agents = changed.map(({ id: agent_id, unavailability }) => ({
    agent_id,
    ...(unavailability !== undefined && { unavailability }),
  }))
  cx.send(state.allocator, UpdateUnavailability, { agents })
}

/** START_MAINTENANCE: agents there are shut down, and leave with their tasks. */
export function startMaintenance(
  state: MasterState,
  machines: MachineId[],
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const problem = modeProblem(state, machines, 'DRAINING', 'is not in the schedule, or is down')
  if (problem !== undefined) {
    return fail('INVALID_MESSAGE', { problem: `start_maintenance.${problem}` })
  }
  store(state, [{ type: 'START_MAINTENANCE', machines }], cx, ([applied]) => {
    if (!applied) return later(fail('CONFLICT', { problem: 'the schedule has changed' }))
    for (const id of machines) {
      const key = machineKey(id)
      const machine = state.machines.get(key)
      if (machine !== undefined) state.machines.set(key, { ...machine, mode: 'DOWN' })
    }
    for (const agent of agentsOn(state, machines)) {
      const message = 'maintenance of its machine has begun'
      if (agent.connected) cx.send(agent.pid, ShutdownAgent, { epoch: state.epoch, message })
      unregisterAgent(state, agent, message, cx)
    }
    cx.log('info', 'maintenance begins', { machines: machines.map(machineKey) })
    later(ok({}))
  })
  return undefined
}

/** STOP_MAINTENANCE: agents there may register again. */
export function stopMaintenance(
  state: MasterState,
  machines: MachineId[],
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const problem = modeProblem(state, machines, 'DOWN', 'is not down')
  if (problem !== undefined) {
    return fail('INVALID_MESSAGE', { problem: `stop_maintenance.${problem}` })
  }
  store(state, [{ type: 'STOP_MAINTENANCE', machines }], cx, ([applied]) => {
    if (!applied) return later(fail('CONFLICT', { problem: 'the schedule has changed' }))
    for (const id of machines) state.machines.delete(machineKey(id))
    cx.log('info', 'maintenance ends', { machines: machines.map(machineKey) })
    later(ok({}))
  })
  return undefined
}

function agentsOn({ agents }: MasterState, machines: readonly MachineId[]): Agent[] {
  const keys = new Set(machines.map(machineKey))
  return [...agents.values()].filter(({ info }) => keys.has(machineKey(info)))
}

/** What is wrong with a schedule by itself, as a sentence that names the place. */
export function scheduleProblem(windows: readonly MaintenanceWindow[]): string | undefined {
  const seen = new Set<string>()
  for (const [at, { machine_ids, unavailability }] of windows.entries()) {
    const place = `windows[${at}]`
    if (machine_ids.length === 0) return `${place}.machine_ids: must name a machine`
    if ((unavailability.duration?.nanoseconds ?? 0) < 0) {
      return `${place}.unavailability.duration: must not be negative`
    }
    for (const [index, id] of machine_ids.entries()) {
      const key = machineKey(id)
      if (key === '') {
        return `${place}.machine_ids[${index}].hostname: must be there, agents are known by it`
      }
      if (seen.has(key)) return `${place}.machine_ids[${index}]: ${key} stands twice`
      seen.add(key)
    }
  }
  return undefined
}

function missingProblem(
  { machines }: MasterState,
  windows: readonly MaintenanceWindow[],
): string | undefined {
  const keys = new Set(windows.flatMap(({ machine_ids }) => machine_ids.map(machineKey)))
  const missing = [...machines].find(([key, { mode }]) => mode === 'DOWN' && !keys.has(key))
  return missing && `windows: must hold ${missing[0]}, which is down`
}

function modeProblem(
  state: MasterState,
  machines: readonly MachineId[],
  mode: MachineInfo['mode'],
  complaint: string,
): string | undefined {
  if (machines.length === 0) return 'machines: must name a machine'
  const wrong = machines.findIndex((id) => state.machines.get(machineKey(id))?.mode !== mode)
  if (wrong < 0) return undefined
  return `machines[${wrong}]: ${machineKey(machines[wrong]!) || 'a machine without name'} ${complaint}`
}
