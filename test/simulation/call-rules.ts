/**
 * X1, X2: what a framework asks for concerns its own tasks and itself only. A task is killed because a call of
 * its framework has said so, on the subject that only this framework may use, whatever else stands in the
 * call; and so it ends itself, unless an operator ends it. Spec: simulation.md §9.
 */

import type { RawCall } from '../../actors/master/internal.ts'
import { decode } from '../../protocol/codec.ts'
import { untoken } from '../../protocol/subjects.ts'
import { Violation } from './history.ts'

/** Looked for before a call is decoded, which costs far more. */
const kill = Buffer.from('KILL')
const teardown = Buffer.from('TEARDOWN')

interface Ends {
  readonly kill?: { readonly task_id?: { readonly value?: string } }
  readonly teardown?: { readonly framework_id?: { readonly value?: string } }
}

export class CallHistory {
  /** By framework and task. */
  readonly #kills = new Set<string>()
  readonly #teardowns = new Set<string>()

  /** A call comes to a master. */
  heard({ subject, data }: Pick<RawCall, 'subject' | 'data'>): void {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    const isTeardown = bytes.includes(teardown)
    if (!isTeardown && !bytes.includes(kill)) return
    const decoded = decode(data)
    const call = (decoded.ok ? decoded.value.value : undefined) as Ends | undefined
    const sender = untoken(subject.split('.').at(-2) ?? '')
    // An operator's names the framework; a framework's is about itself.
    const ended = sender === 'master' ? call?.teardown?.framework_id?.value : sender
    if (isTeardown) this.#teardowns.add(ended ?? '')
    else this.#kills.add(`${sender}/${call?.kill?.task_id?.value}`)
  }

  /** A master lets go of a framework. */
  removed(framework: string): void {
    if (!this.#teardowns.has(framework))
      throw new Violation('X1', `${framework} is removed, and nobody who may has asked for it`)
  }

  /** An agent is told to kill a task. */
  killed(framework: string, task: string): void {
    if (!this.#kills.has(`${framework}/${task}`))
      throw new Violation('X1', `${task} of ${framework} is killed, which did not ask for it`)
  }
}
