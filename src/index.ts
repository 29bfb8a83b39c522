/** Meseta as a library: the actor runtime, the framework SDK, and what both say on the wire. */
export * from './framework/index.ts'
export * from './runtime/index.ts'
