/** The operator API, for programs. Guide: docs/operating.md; calls: protocol/operator.ts. */
import { decode, encode } from '../../protocol/codec.ts'
import { advice, type ErrorReply } from '../../protocol/errors.ts'
import type { Reply } from '../../protocol/message.ts'
import {
  type AgentCall,
  agentCalls,
  isList,
  type MasterCall,
  masterCalls,
} from '../../protocol/operator.ts'
import { subjects } from '../../protocol/subjects.ts'
import { readList } from '../paging/reading.ts'
import { connectAsker } from './asking.ts'
import { type ClusterOptions, clusterOf } from './connect.ts'
import { CallError } from './driver.ts'

/** The answer to a call to a master, by its type. */
export type MasterAnswer<Type extends MasterCall['type']> = Reply<
  Extract<(typeof masterCalls)[number], { name: Type }>
>

/** The answer to a call to an agent, by its type. */
export type AgentAnswer<Type extends AgentCall['type']> = Reply<
  Extract<(typeof agentCalls)[number], { name: Type }>
>

export interface OperatorConnectOptions extends ClusterOptions {
  /** How long one answer may take, ms. Default 5000. */
  readonly timeoutMs?: number
}

/** Lists come whole, however long: they are read page by page. Rejects with a CallError. */
export interface OperatorClient {
  /** Calls the leading master. NO_RESPONDERS: there is none at present. */
  master<Type extends MasterCall['type']>(
    call: Extract<MasterCall, { type: Type }>,
  ): Promise<MasterAnswer<Type>>
  /** Calls an agent by its id. */
  agent<Type extends AgentCall['type']>(
    id: string,
    call: Extract<AgentCall, { type: Type }>,
  ): Promise<AgentAnswer<Type>>
  close(): Promise<void>
}

const masterLists = new Set<string>(masterCalls.filter(isList).map(({ name }) => name))
const agentLists = new Set<string>(agentCalls.filter(isList).map(({ name }) => name))

/**
 * Connects to the operator API of a cluster. Rejects if the broker cannot be reached.
 *
 * @example
 * const operator = await connectOperator()
 * const { get_tasks } = await operator.master({ type: 'GET_TASKS' })
 * console.log(get_tasks.tasks.length)
 */
export async function connectOperator(
  options: OperatorConnectOptions = {},
): Promise<OperatorClient> {
  const { timeoutMs = 5000 } = options
  const { ports, cluster } = clusterOf(options)
  const { request, close } = await connectAsker(ports, cluster)
  const names = subjects(cluster)

  async function ask(subject: string, call: object): Promise<object> {
    const decoded = decode(await request(subject, encode(call), timeoutMs))
    if (!decoded.ok) throw new CallError('INVALID_REPLY', decoded.error, '')
    const answer = decoded.value.value as Partial<ErrorReply>
    if (answer.error === undefined) return answer
    const { code, message, details } = answer.error
    throw new CallError(code, message, advice(code, details))
  }

  const whole = (subject: string, call: object) =>
    readList((paging) => ask(subject, { ...call, ...paging }))

  return {
    async master<Type extends MasterCall['type']>(call: Extract<MasterCall, { type: Type }>) {
      const send = masterLists.has(call.type) ? whole : ask
      return (await send(names.masterCall, call)) as MasterAnswer<Type>
    },
    async agent<Type extends AgentCall['type']>(
      id: string,
      call: Extract<AgentCall, { type: Type }>,
    ) {
      const send = agentLists.has(call.type) ? whole : ask
      return (await send(names.agentCall(id), call)) as AgentAnswer<Type>
    },
    close,
  }
}
