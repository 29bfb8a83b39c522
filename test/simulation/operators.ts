/**
 * Operators: people and scripts who steer the cluster by its operator API, over a connection of their own,
 * and who do what has to be done by hand: a host that is lost is said to be gone, and replaced. They know
 * what they were answered, so that a rule can hold the leader to it. Spec: simulation.md §7; failover.md §3.
 */
import { decode, encode } from '../../protocol/codec.ts'
import type { MasterCall } from '../../protocol/operator.ts'
import { subjects } from '../../protocol/subjects.ts'
import type { Clock, Connection, Transport } from '../../src/runtime/ports.ts'
import { Requests } from '../../src/runtime/requests.ts'
import { operatorsHost } from './air.ts'
import { Decisions } from './decisions.ts'
import { quota, reservation, service, weight } from './operator-calls.ts'
import type { Order } from './plan.ts'

/** What operators can do to machines, and see of them. */
export interface Machines {
  /** Id of the agent on a host, as its log says. */
  agentId(host: string): string | undefined
  /** Whether its agent has come up. */
  isServing(host: string): boolean
  /** Ids of unreachable agents that no host has. */
  strangers(): readonly string[]
  /** Ids of frameworks that are over, and that an agent has told a new leader of. */
  orphans(): readonly string[]
  /** An agent has left the registry, or may have. */
  removed(agentId: string): void
  /** Power off, and on again. */
  switchOff(host: string): void
  switchOn(host: string): void
  /** Another machine of that name, with empty disks. */
  replace(host: string): void
}

export interface OperatorsOptions {
  readonly clock: Clock
  readonly transport: Transport
  readonly machines: Machines
  /** Told each answer. */
  readonly note: (what: string, answer: string) => void
}

/** `OK`, or the code of a refusal; undefined if there was no answer. */
type Answer = string | undefined

/** After how long an operator looks whether a program has come up, ms. */
const repairMs = 5000
const timeoutMs = 5000
const retryMs = 1000
/** How often is asked again before an operator thinks of something else. */
const attemptsMax = 5
const dayNanoseconds = 86_400_000_000_000

export class Operators {
  /** What is to be true of the registry. */
  readonly decisions = new Decisions()
  readonly #options: OperatorsOptions
  #connection: Connection | undefined
  #requests: Requests | undefined
  /** Machines in the schedule: those that are down, and those that are to be. */
  readonly #maintained = new Map<string, 'DRAINING' | 'DOWN'>()
  /** Agents that never come back, and frameworks that are over. */
  readonly #lost = new Set<string>()
  readonly #over = new Set<string>()
  /** Things begun and not ended. */
  #busy = 0
  #isTidying = false
  #closed = false

  constructor(options: OperatorsOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    this.#connection = await this.#options.transport.connect({ name: operatorsHost })
    this.#requests = new Requests(this.#connection, this.#options.clock, operatorsHost)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#requests?.close()
    await this.#connection?.close()
  }

  /** All is answered, and nothing is left of what they had to clear away. */
  get isDone(): boolean {
    const open = this.#busy + this.#lost.size + this.#over.size + this.#maintained.size
    const { machines } = this.#options
    return open + machines.strangers().length + machines.orphans().length === 0
  }

  /** An agent that never comes back: its disk is no more. */
  lose(agentId: string | undefined): void {
    if (agentId !== undefined) this.#lost.add(agentId)
  }

  /** A framework that has gone without a word that was heard. */
  abandon(frameworkId: string): void {
    this.#over.add(frameworkId)
  }

  /** A host whose disk is bad is looked at, and replaced unless its agent has come up. */
  repair(host: string, agentId: string | undefined, look: () => void): void {
    void this.#doing(async () => {
      await this.#pass(repairMs)
      look()
      if (!this.#options.machines.isServing(host)) this.#replace(host, agentId)
    })
  }

  /** A host whose disk was set back is replaced after a while, unless it was meanwhile. */
  renew(host: string, agentId: string, inMs: number): void {
    void this.#doing(async () => {
      await this.#pass(inMs)
      if (this.#options.machines.agentId(host) === agentId) this.#replace(host, agentId)
    })
  }

  #replace(host: string, agentId: string | undefined): void {
    this.lose(agentId)
    this.#options.machines.replace(host)
  }

  begin(order: Order): void {
    void this.#doing(() => this.#carryOut(order))
  }

  /** The chaos is over: machines come back from maintenance, and what is lost is said to be. */
  tidy(): void {
    if (this.#isTidying) return
    this.#isTidying = true
    for (const id of this.#options.machines.strangers()) this.lose(id)
    for (const id of this.#options.machines.orphans()) this.abandon(id)
    void this.#doing(async () => {
      for (const host of [...this.#maintained.keys()]) await this.#endMaintenance(host)
      for (const id of [...this.#lost]) await this.#markGone(id, Number.POSITIVE_INFINITY)
      for (const id of [...this.#over]) await this.#tearDown(id)
      this.#isTidying = false
    })
  }

  async #doing(work: () => Promise<void>): Promise<void> {
    this.#busy++
    await work()
    this.#busy--
  }

  async #carryOut({ type, agent, role, amount, forMs }: Order): Promise<void> {
    const { machines } = this.#options
    const id = machines.agentId(agent)
    switch (type) {
      case 'look':
        await this.#ask({ type: 'GET_STATE' }, 1)
        return
      case 'quota':
        await this.#decide(`quota ${role}`, ...quota(role, amount))
        return
      case 'weight':
        await this.#decide(`weight ${role}`, ...weight(role, 1 + amount))
        return
      case 'maintain':
        await this.#maintain(agent, forMs, amount >= 1)
        return
    }
    if (id === undefined) return
    switch (type) {
      case 'reserve':
      case 'unreserve':
        await this.#ask(reservation(type, id, role, amount), 1)
        return
      case 'drain':
      case 'deactivate':
      case 'reactivate':
        await this.#decide(`agent ${id}`, ...service(type, id))
        return
      case 'gone':
      case 'lost':
        if (type === 'lost') machines.switchOff(agent)
        this.#lost.add(id)
        await this.#markGone(id, attemptsMax)
        await this.#pass(forMs)
        machines.replace(agent)
    }
  }

  async #maintain(host: string, forMs: number, isSwitchedOff: boolean): Promise<void> {
    if (this.#maintained.has(host)) return
    this.#maintained.set(host, 'DRAINING')
    if ((await this.#schedule()) !== 'OK') return
    await this.#pass(forMs / 4)
    const start_maintenance = { machines: [{ hostname: host }] }
    const answer = await this.#ask({ type: 'START_MAINTENANCE', start_maintenance }, attemptsMax)
    // The registry forgets an agent that leaves, and whether it was in service.
    const id = this.#options.machines.agentId(host)
    this.decisions.forget(`agent ${id}`)
    if (id !== undefined) this.#options.machines.removed(id)
    // Without an answer it may be down or not: which it is shows when it is to come up again.
    if (answer !== undefined && answer !== 'OK') return
    this.#maintained.set(host, 'DOWN')
    if (isSwitchedOff) this.#options.machines.switchOff(host)
    await this.#pass(forMs)
    await this.#endMaintenance(host)
  }

  /** Once an order to begin was lost on its way, the machine may be in the schedule only, or not even there. */
  async #endMaintenance(host: string): Promise<void> {
    const machines = [{ hostname: host }]
    while (!this.#closed && this.#maintained.has(host)) {
      const stop = { type: 'STOP_MAINTENANCE', stop_maintenance: { machines } } as const
      const stopped = await this.#ask(stop, attemptsMax)
      if (stopped === undefined) continue
      this.#maintained.delete(host)
      if (stopped !== 'OK' && (await this.#schedule()) !== 'OK') this.#maintained.set(host, 'DOWN')
    }
    this.#options.machines.switchOn(host)
  }

  /** The schedule as the operators want it. */
  #schedule(): Promise<Answer> {
    const machine_ids = [...this.#maintained.keys()].map((hostname) => ({ hostname }))
    const start = { nanoseconds: this.#options.clock.now() * 1e6 }
    const unavailability = { start, duration: { nanoseconds: dayNanoseconds } }
    const windows = machine_ids.length === 0 ? [] : [{ machine_ids, unavailability }]
    const update_maintenance_schedule = { schedule: { windows } }
    return this.#ask(
      { type: 'UPDATE_MAINTENANCE_SCHEDULE', update_maintenance_schedule },
      attemptsMax,
    )
  }

  async #markGone(id: string, attempts: number): Promise<void> {
    const call = { type: 'MARK_AGENT_GONE', mark_agent_gone: { agent_id: { value: id } } } as const
    for (let attempt = 0; attempt < attempts && !this.#closed && this.#lost.has(id); attempt++) {
      const answer = await this.#decide(`agent ${id}`, 'gone', call)
      if (answer === 'OK' || answer === 'NOT_FOUND') this.#lost.delete(id)
      else await this.#pass(retryMs)
    }
  }

  async #tearDown(id: string): Promise<void> {
    const call = { type: 'TEARDOWN', teardown: { framework_id: { value: id } } } as const
    while (!this.#closed && this.#over.has(id)) {
      const answer = await this.#ask(call, attemptsMax)
      if (answer === 'OK' || answer === 'NOT_FOUND') this.#over.delete(id)
    }
  }

  /** Asks for something that the registry keeps. */
  async #decide(subject: string, value: string, call: MasterCall): Promise<Answer> {
    const decision = this.decisions.begin(subject, value)
    const answer = await this.#ask(call, 1)
    const outcome = answer === 'OK' ? 'promised' : 'refused'
    this.decisions.end(decision, answer === undefined ? 'unknown' : outcome)
    return answer
  }

  /** Asks until there is an answer, so many times at the most. */
  async #ask(call: MasterCall, attempts: number): Promise<Answer> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const answer = await this.#request(call)
      this.#options.note(JSON.stringify(call), answer ?? 'nothing')
      if (answer !== undefined) return answer
      await this.#pass(retryMs)
    }
    return undefined
  }

  #request(call: MasterCall): Promise<Answer> {
    return new Promise((resolve) => {
      if (this.#closed) return
      const { masterCall } = subjects('meseta')
      this.#requests?.request(masterCall, encode(call), timeoutMs, (outcome) =>
        resolve(outcome.ok ? answerOf(outcome.value) : undefined),
      )
    })
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.setTimeout(resolve, ms))
  }
}

function answerOf(data: Uint8Array): Answer {
  const decoded = decode(data)
  if (!decoded.ok) throw new Error(`an operator is answered what cannot be read: ${decoded.error}`)
  const { error } = decoded.value.value as { error?: { code: string } }
  return error?.code ?? 'OK'
}
