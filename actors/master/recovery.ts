/**
 * Recovery: a new leader learns from the registry which agents there are and in which epoch it leads,
 * and gives the agents time to come back. Spec: master.md §2, §6.
 */
import { RecoverRegistry, type Registry } from '../../protocol/registrar.ts'
import type { Context } from '../../src/runtime/index.ts'
import { deepFreeze, type MasterState } from './state.ts'

/** Loading may wait for the former registrar to let go of the store (master.md §17). */
const REGISTRY_FETCH_TIMEOUT_MS = 60_000

/** Raises RECOVERED, or kills the master: without the registry nobody may lead. */
export function recover(state: MasterState, cx: Context): void {
  const options = { timeoutMs: REGISTRY_FETCH_TIMEOUT_MS }
  cx.ask(state.registrar, RecoverRegistry, { master_id: state.info.id }, options, (outcome) => {
    if (!outcome.ok) throw new Error(`the registry was not recovered: ${outcome.error.message}`)
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
}
