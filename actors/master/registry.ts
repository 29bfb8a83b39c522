/**
 * Changes of the registry. It changes first; memory and notifications follow once it is durable
 * (master.md §3). A write that fails ends the master.
 */
import { ApplyRegistry, type RegistryOperation } from '../../protocol/registrar.ts'
import type { Context } from '../../src/runtime/index.ts'
import type { MasterState } from './state.ts'

/** master.md §17. */
const REGISTRY_STORE_TIMEOUT_MS = 20_000

/** Makes operations durable, then calls `then` with whether each changed anything. */
export function store(
  state: MasterState,
  operations: RegistryOperation[],
  cx: Context,
  then: (applied: readonly boolean[]) => void,
): void {
  const options = { timeoutMs: REGISTRY_STORE_TIMEOUT_MS }
  cx.ask(state.registrar, ApplyRegistry, { operations }, options, (outcome) => {
    if (!outcome.ok) throw new Error(`the registry was not written: ${outcome.error.message}`)
    then(outcome.value.applied)
  })
}
