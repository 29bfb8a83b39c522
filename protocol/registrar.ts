/**
 * What a master and its registrar say to each other. The registrar keeps what must survive every master:
 * which agents are admitted, unreachable or gone, and the epoch. An operation is answered only after it
 * is durable. Spec: replicated-log.md §11, master.md §2-3.
 */
import Type, { type Static } from 'typebox'
import { message } from './message.ts'
import { mapOf, Uint64 } from './schema.ts'
import { AgentInfo } from './v1/agent.ts'
import { AgentId, TimeInfo } from './v1/ids.ts'

const Since = Type.Object({ agent_id: AgentId, timestamp: TimeInfo })

/** The registry: all that outlives a master. */
export const Registry = Type.Object({
  /** Of the present leader; grows with each. */
  epoch: Type.Integer({ minimum: 1 }),
  admitted: Type.Array(AgentInfo),
  unreachable: Type.Array(Since),
  gone: Type.Array(Since),
  /** Role -> weight. */
  weights: mapOf(Type.Number({ exclusiveMinimum: 0 })),
})
export type Registry = Static<typeof Registry>

/**
 * One change of the registry. Each is answered true if it changed anything, false if it did not apply
 * (an admitted id is admitted again, an unknown agent is removed).
 */
export const RegistryOperation = Type.Union([
  Type.Object({ type: Type.Literal('ADMIT_AGENT'), agent_info: AgentInfo }),
  Type.Object({ type: Type.Literal('UPDATE_AGENT'), agent_info: AgentInfo }),
  Type.Object({ type: Type.Literal('MARK_UNREACHABLE'), agent_id: AgentId, timestamp: TimeInfo }),
  /** Also admits an agent that nobody knows. */
  Type.Object({ type: Type.Literal('MARK_REACHABLE'), agent_info: AgentInfo }),
  Type.Object({ type: Type.Literal('MARK_GONE'), agent_id: AgentId, timestamp: TimeInfo }),
  Type.Object({ type: Type.Literal('REMOVE_AGENT'), agent_id: AgentId }),
  Type.Object({
    type: Type.Literal('PRUNE'),
    unreachable: Type.Array(AgentId),
    gone: Type.Array(AgentId),
  }),
  Type.Object({
    type: Type.Literal('UPDATE_WEIGHTS'),
    weights: mapOf(Type.Number({ exclusiveMinimum: 0 })),
  }),
])
export type RegistryOperation = Static<typeof RegistryOperation>

/** Asked once by a master that was elected, before anything else. */
export const RecoverRegistry = message(
  'RECOVER_REGISTRY',
  'Load the registry for a new leader.',
  Type.Object({
    master_id: Type.String(),
    /** The one under which the master was elected, and the log's last position then. */
    epoch: Type.Integer({ minimum: 1 }),
    position: Uint64,
  }),
  Registry,
)

/** An error answer means that nothing is known: the master must stop leading. */
export const ApplyRegistry = message(
  'APPLY_REGISTRY',
  'Make operations durable, in order.',
  Type.Object({ operations: Type.Array(RegistryOperation, { minItems: 1 }) }),
  Type.Object({ applied: Type.Array(Type.Boolean()) }),
)

/** What a registrar takes from its master. */
export const registrarMessages = [RecoverRegistry, ApplyRegistry] as const
