/**
 * Recovery: a new leader learns from the registry which agents there are and in which epoch it leads,
 * and gives the agents time to come back. Spec: master.md §2, §6.
 */

import type { Elected } from '../../protocol/election.ts'
import { advice } from '../../protocol/errors.ts'
import type { Payload } from '../../protocol/message.ts'
import { RecoverRegistry, type Registry } from '../../protocol/registrar.ts'
import { machineKey } from '../../protocol/v1/index.ts'
import { type Context, deepFreeze } from '../../src/runtime/index.ts'
import type { MasterState } from './state.ts'

/** master.md §17. */
const REGISTRY_FETCH_TIMEOUT_MS = 60_000

/** Raises RECOVERED, or kills the master: without the registry nobody may lead. */
export function recover(
  state: MasterState,
  { epoch, position }: Payload<typeof Elected>,
  cx: Context,
): void {
  const options = { timeoutMs: REGISTRY_FETCH_TIMEOUT_MS }
  const body = { master_id: state.info.id, epoch, position }
  cx.ask(state.registrar, RecoverRegistry, body, options, (outcome) => {
    if (!outcome.ok) {
      const { code, message } = outcome.error
      throw new Error(`the registry was not recovered: ${code}: ${message} ${advice(code)}`)
    }
    load(state, outcome.value)
    cx.raise({ type: 'RECOVERED' })
  })
}

function load(state: MasterState, registry: Registry): void {
  state.epoch = registry.epoch
  for (const info of registry.admitted) {
    if (info.id !== undefined) state.recovered.set(info.id.value, deepFreeze(info))
  }
  for (const { agent_id, timestamp } of registry.unreachable) {
    state.unreachable.set(agent_id.value, timestamp)
  }
  for (const { agent_id, timestamp } of registry.gone) state.gone.set(agent_id.value, timestamp)
  for (const [role, weight] of Object.entries(registry.weights)) state.weights.set(role, weight)
  for (const { agent_id, drain_info } of registry.drains) {
    state.drains.set(agent_id.value, drain_info)
  }
  for (const { agent_id, ...disk } of registry.disks) state.disks.set(agent_id.value, disk)
  for (const { value } of registry.deactivated) state.deactivated.add(value)
  for (const machine of registry.machines) state.machines.set(machineKey(machine.id), machine)
  for (const config of registry.quotas) state.quotas.set(config.role, config)
}
