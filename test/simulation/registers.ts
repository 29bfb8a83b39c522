/**
 * Clients of a state (actors/state) whose replicas stand on the masters' hosts, in some worlds: what they
 * are told, through all faults, must be linearizable (R1). Spec: simulation.md §11; replicated-log.md §13.12.
 */
import { log, logOptions } from '../../actors/log/index.ts'
import { state } from '../../actors/state/index.ts'
import { ExpungeVariable, FetchVariable, StoreVariable } from '../../protocol/state.ts'
import {
  type ChildSpec,
  type Context,
  child,
  type Outcome,
  type Pid,
  pid,
  supervisor,
  table,
} from '../../src/runtime/index.ts'
import { stream } from '../../src/runtime/ports/index.ts'
import type { Random } from '../../src/runtime/ports.ts'
import { isLinearizable } from '../support/linearizability.ts'
import { type Change, type Input, type Output, variable } from '../support/state-model.ts'
import { Violation } from './history.ts'
import { settingsOf } from './pace.ts'
import type { Plan } from './plan.ts'

const logId = 'state-log'
const variables = ['x', 'y', 'z']
/** What is asked for of one variable at most: the search for an order may take long beyond that. */
const changesMax = 400
const timeoutMs = 10_000
/** Longest pause of a client between two requests, ms. */
const pauseMs = 1500

/** What says that nothing was done. */
const notDone = new Set(['NO_ACTOR', 'LOG_NOT_ELECTED', 'LOG_LEASED', 'LOG_BUSY'])

type Record = { -readonly [Key in keyof Change]: Change[Key] }

export class Registers {
  /** Hosts with a client; none in most worlds. */
  readonly clients: readonly string[]
  readonly #plan: Plan
  readonly #mark: (situation: string) => void
  readonly #histories = new Map<string, Record[]>(variables.map((name) => [name, []]))
  /** Orders calls and returns. */
  #tick = 0
  /** Nothing more is asked for. */
  isQuiet = false

  /** `mark` is told of noteworthy answers. */
  constructor(plan: Plan, mark: (situation: string) => void) {
    this.#plan = plan
    this.#mark = mark
    const draw = stream(plan.seed, 'registers')
    const count = draw.int(3) > 0 ? 0 : 1 + draw.int(3)
    this.clients = Array.from({ length: count }, (_, index) => `client-${index + 1}`)
  }

  /** The part of the state on a master's host. What befalls it is not the master's concern. */
  replica(node: string): readonly ChildSpec[] {
    if (this.clients.length === 0) return []
    const replicas = this.#plan.masters.join(',')
    const settings = logOptions({ replicas, quorum: 0, log_auto_initialize: true }, node)
    const children = [
      log({ id: logId, path: '/m/state', ...settings }),
      state({ node, log: logId }),
    ]
    return [supervisor('registers', children, { intensity: 1_000_000 })]
  }

  /** The program of a client's host. */
  client(name: string): readonly ChildSpec[] {
    const draw = stream(this.#plan.seed, 'registers', name)
    return [child({ id: 'client', behaviour, args: { registers: this, name, draw } })]
  }

  /** Asks for something now, and again after a while. */
  ask(client: Client, cx: Context): void {
    const { draw } = client
    const { idleFactor } = settingsOf(this.#plan)
    cx.after('next', 1 + draw.next() * pauseMs * idleFactor, () => this.ask(client, cx))
    if (this.isQuiet) return
    const name = variables[draw.int(variables.length)] as string
    const history = this.#histories.get(name) ?? []
    if (history.length >= changesMax) return
    const { masters } = this.#plan
    if (draw.int(5) === 0) client.node = masters[draw.int(masters.length)] as string
    const kind = draw.int(10)
    const type = kind < 4 ? 'fetch' : kind < 9 ? 'store' : 'expunge'
    const version = client.versions.get(name) ?? ''
    const input: Input = type === 'fetch' ? { type } : { type, from: version }
    // Until it is answered nobody knows whether it was done.
    const call = this.#tick++
    const change: Record = { input, output: undefined, call, return: call }
    history.push(change)
    this.#send(client.node, name, input, cx, (outcome) => {
      // Turns to another as a client of the SDK does.
      if (!outcome.ok) client.node = masters[draw.int(masters.length)] as string
      else client.versions.set(name, outcome.value.version)
      change.return = this.#tick++
      this.#mark(situationOf(type, outcome))
      if (outcome.ok) change.output = outcome.value
      else if (type === 'fetch' || notDone.has(outcome.error.code))
        history.splice(history.indexOf(change), 1)
    })
  }

  #send(
    node: string,
    name: string,
    input: Input,
    cx: Context,
    then: (outcome: Outcome<Output>) => void,
  ): void {
    const to: Pid = pid('state', node)
    const options = { timeoutMs }
    if (input.type === 'fetch') {
      cx.ask(to, FetchVariable, { name }, options, (outcome) =>
        then(outcome.ok ? { ok: true, value: { changed: false, ...outcome.value } } : outcome),
      )
    } else if (input.type === 'store') {
      const value = new TextEncoder().encode(`${cx.self} ${this.#tick}`)
      cx.ask(to, StoreVariable, { name, value, version: input.from }, options, then)
    } else cx.ask(to, ExpungeVariable, { name, version: input.from }, options, then)
  }

  /** R1, over all that the clients were told. */
  check(): void {
    for (const [name, history] of this.#histories)
      if (!isLinearizable(history, variable(history)))
        throw new Violation('R1', `${history.length} operations on ${name} are not linearizable`)
  }
}

function situationOf(type: Input['type'], outcome: Outcome<Output>): string {
  if (!outcome.ok) return `a register: ${outcome.error.code}`
  if (type === 'fetch') return 'a register is fetched'
  return outcome.value.changed ? 'a register is changed' : 'a register has another version'
}

/** What one client knows. */
interface Client {
  readonly draw: Random
  /** Where it asks. */
  node: string
  /** Of the variables, as it was told last. */
  readonly versions: Map<string, string>
}

const behaviour = table<
  Client,
  readonly [],
  { readonly registers: Registers; readonly name: string; readonly draw: Random }
>({
  label: 'client of a state',
  messages: [],
  init({ registers, draw }, cx) {
    const client = { draw, node: 'master-1', versions: new Map<string, string>() }
    registers.ask(client, cx)
    return client
  },
  handlers: {},
})
