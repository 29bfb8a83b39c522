/** Executors: the actors that own containers. See command.ts and custom.ts. */
export { commandExecutor } from './command.ts'
export type { CommandArgs } from './command-state.ts'
export { destroy } from './container.ts'
export { customExecutor } from './custom.ts'
export type { CustomArgs } from './custom-state.ts'
export type { Place } from './environment.ts'
export type { Run } from './run.ts'
