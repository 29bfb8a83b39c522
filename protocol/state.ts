/**
 * State: named variables in a replicated log, changed by compare and swap. Every variable has a version,
 * new with each change; a version of '' says that there is no such variable. All that is answered is
 * linearizable: it holds for the whole log, whoever else uses it at the same time on another node.
 * Spec: replicated-log.md §10; design.md §5.
 */
import Type, { type Static } from 'typebox'
import { message } from './message.ts'
import { Bytes } from './schema.ts'

/** Bytes of one value. More belongs into several variables, or into a file. */
export const VALUE_BYTES_MAX = 4 * 1024 * 1024

const Name = Type.String({ minLength: 1, maxLength: 256 })
const Version = Type.String({ maxLength: 64 })

export const Variable = Type.Object({
  version: Version,
  /** Absent where the version is ''. */
  value: Type.Optional(Bytes),
})
export type Variable = Static<typeof Variable>

export const FetchVariable = message(
  'FETCH_VARIABLE',
  'The present version and value of a variable.',
  Type.Object({ name: Name }),
  Variable,
)

/**
 * The outcome of a change: whether it was made, and the version that the variable has now. An error
 * LOG_NOT_WRITER leaves open whether it was made: fetch to see.
 */
const Changed = Type.Object({ changed: Type.Boolean(), version: Version })

export const StoreVariable = message(
  'STORE_VARIABLE',
  'Give a variable a value, if it still has this version; LOG_NOT_WRITER leaves open whether it was done.',
  Type.Object({ name: Name, value: Bytes, version: Version }),
  Changed,
)

export const ExpungeVariable = message(
  'EXPUNGE_VARIABLE',
  'Remove a variable, if it still has this version; LOG_NOT_WRITER leaves open whether it was done.',
  Type.Object({ name: Name, version: Version }),
  Changed,
)

export const ListVariables = message(
  'LIST_VARIABLES',
  'The names of all variables that begin with a prefix, sorted.',
  Type.Object({ prefix: Type.Optional(Type.String({ maxLength: 256 })) }),
  Type.Object({ names: Type.Array(Name) }),
)

/** What a state takes. */
export const stateMessages = [FetchVariable, StoreVariable, ExpungeVariable, ListVariables] as const
