/**
 * X1: what a framework asks for concerns its own tasks only. A task is killed because a call of its framework
 * has said so, on the subject that only this framework may use. Spec: simulation.md §9.
 */

import type { RawCall } from '../../actors/master/internal.ts'
import { decode } from '../../protocol/codec.ts'
import { untoken } from '../../protocol/subjects.ts'
import { Violation } from './history.ts'

/** Looked for before a call is decoded, which costs far more. */
const kill = Buffer.from('KILL')

export class CallHistory {
  /** By framework and task. */
  readonly #kills = new Set<string>()

  /** A call comes to a master. */
  heard({ subject, data }: Pick<RawCall, 'subject' | 'data'>): void {
    if (!Buffer.from(data.buffer, data.byteOffset, data.byteLength).includes(kill)) return
    const decoded = decode(data)
    const call = (decoded.ok ? decoded.value.value : undefined) as
      | { readonly kill?: { readonly task_id?: { readonly value?: string } } }
      | undefined
    const framework = untoken(subject.split('.').at(-2) ?? '')
    this.#kills.add(`${framework}/${call?.kill?.task_id?.value}`)
  }

  /** An agent is told to kill a task. */
  killed(framework: string, task: string): void {
    if (!this.#kills.has(`${framework}/${task}`))
      throw new Violation('X1', `${task} of ${framework} is killed, which did not ask for it`)
  }
}
