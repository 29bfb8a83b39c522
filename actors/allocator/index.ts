/** The allocator: who is offered what. Its interface is protocol/allocator.ts. */
import type { ChildSpec, Pid } from '../../src/runtime/index.ts'
import { type AllocatorArgs, allocatorBehaviour } from './actor.ts'
import { type AllocationOptions, recoveryOf, settingsOf } from './options.ts'

export type { AllocationOptions } from './options.ts'
export { loadPolicy, type Policy } from './policies.ts'

export interface AllocatorOptions extends AllocationOptions {
  /** Who is told allocations. Default: the actor `master` of the same node. */
  readonly master?: Pid
}

/**
 * The actor `allocator`. It is always restarted; its master must be restarted with it (or tell it
 * everything again), since it keeps nothing.
 * @throws Error naming the option that is wrong
 */
export function allocator(options: AllocatorOptions = {}): ChildSpec<AllocatorArgs> {
  return {
    id: 'allocator',
    behaviour: allocatorBehaviour,
    args: {
      settings: settingsOf(options),
      recovery: recoveryOf(options),
      master: options.master,
    },
    restart: 'permanent',
    shutdownMs: 1000,
  }
}
