/** Requests from a program that is no actor: it joins the cluster as a node with one actor that asks. */
import { advice, type Details } from '../../protocol/errors.ts'
import type { Message, Payload, Reply } from '../../protocol/message.ts'
import {
  type Context,
  child,
  type Outcome,
  type Pid,
  type Ports,
  startNode,
  table,
} from '../runtime/index.ts'
import { CallError } from './driver.ts'

/** Asks an actor. Rejects with a CallError: what it, or the runtime, refused with. */
export type Ask = <M extends Message>(
  to: Pid,
  message: M,
  body: Payload<M>,
  /** Default 5000. */
  timeoutMs?: number,
) => Promise<Reply<M>>

export interface Asker {
  readonly ask: Ask
  /** A request on a raw subject: the bytes of the answer. Rejects with a CallError. */
  readonly request: (subject: string, data: Uint8Array, timeoutMs: number) => Promise<Uint8Array>
  /** Leaves the cluster; requests under way never end. */
  close(): Promise<void>
}

const behaviour = table<undefined, [], (context: Context) => void>({
  label: 'asker',
  messages: [],
  init: (attach, cx) => {
    attach(cx)
    return undefined
  },
  handlers: {},
  exited() {},
})

/** Joins a cluster. Rejects if the broker cannot be reached. */
export async function connectAsker(ports: Ports, cluster: string): Promise<Asker> {
  let context: Context | undefined
  const attach = (cx: Context) => {
    context = cx
  }
  const name = `asker-${ports.random.uuid().slice(0, 8)}`
  const children = [child({ id: 'asker', behaviour, args: attach, restart: 'permanent' })]
  const node = await startNode({ name, cluster, ports, children })
  /** Has the actor ask in a turn of its own; `settle` takes the outcome. */
  const inTurn = <T>(begin: (cx: Context, settle: (outcome: Outcome<T>) => void) => void) =>
    new Promise<T>((resolve, reject) => {
      const cell = node.cell('asker')
      if (cell === undefined) {
        reject(new CallError('CONNECTION_CLOSED', 'the connection is closed', ''))
        return
      }
      const settle = (outcome: Outcome<T>) => {
        if (outcome.ok) resolve(outcome.value)
        else {
          const { code, message, details } = outcome.error
          reject(new CallError(code, message, advice(code, details as Details)))
        }
      }
      node.call(cell, () => context && begin(context, settle))
    })
  return {
    ask: (to, message, body, timeoutMs = 5000) =>
      inTurn((cx, settle) => cx.ask(to, message, body, { timeoutMs }, settle)),
    request: (subject, data, timeoutMs) =>
      inTurn((cx, settle) => cx.request(subject, data, { timeoutMs }, settle)),
    close: () => node.stop(),
  }
}
