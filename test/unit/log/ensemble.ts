/**
 * An ensemble of the pure cores on a network that loses, repeats, delays and reorders everything, with
 * nodes that crash and disks that vanish: a random walk from one seed. After each step the invariants of
 * replicated-log.md §13 are checked on the union of disks and on all that was ever said.
 */
import * as coordinators from '../../../actors/log/coordinator.ts'
import * as fills from '../../../actors/log/fill.ts'
import { type Ensemble, ensembleOf } from '../../../actors/log/quorum.ts'
import { condemnation, load, readBody, takeOperations } from '../../../actors/log/records.ts'
import { decide } from '../../../actors/log/recovery.ts'
import * as replicas from '../../../actors/log/replica.ts'
import type { Body, Entry, PromiseReply, RecoverReply, WriteReply } from '../../../protocol/log.ts'
import { stream } from '../../../src/runtime/ports/index.ts'
import { assert } from '../../support/suite.ts'
import { Disk } from './disk.ts'

export interface WalkOptions {
  readonly size: number
  readonly seed: number
  readonly steps: number
  /** Whether disks may be lost, while a quorum of voters remains. */
  readonly wipes: boolean
}

interface Message {
  readonly to: string
  readonly deliver: () => Promise<void> | void
}

interface Node {
  readonly name: string
  disk: Disk
  /** New at each start; what was asked before it is not heard any more. */
  life: number
  up: boolean
  /** Has voted with the present disk or an earlier one. */
  voted: boolean
  replica: replicas.Replica
  coordinator: coordinators.Coordinator
  index: number
  fills: Map<number, fills.Fill>
  survey: Map<string, RecoverReply>
  recoverTo: number | undefined
}

export class Walk {
  readonly nodes: Node[]
  readonly ensemble: Ensemble
  readonly #options: WalkOptions
  readonly #random: ReturnType<typeof stream>
  #wire: Message[] = []
  /** Position -> what is known to be chosen there. */
  readonly #truth = new Map<number, string>()
  /** `proposal/position` -> what was ever written under it. */
  readonly #written = new Map<string, string>()
  /** Highest learned truncation. */
  #begin = 0
  #appends = 0
  /** How often interesting things happened: a walk that never sees them proves nothing. */
  readonly seen: Record<string, number> = {}

  constructor(options: WalkOptions) {
    this.#options = options
    this.#random = stream(options.seed, 'walk')
    const names = Array.from({ length: options.size }, (_, i) => `n${i}`)
    this.ensemble = ensembleOf(names)
    this.nodes = names.map((name) => ({
      name,
      disk: new Disk(),
      life: 1,
      up: true,
      voted: false,
      replica: replicas.emptyReplica(name),
      coordinator: coordinators.newCoordinator(this.ensemble),
      index: -1,
      fills: new Map(),
      survey: new Map(),
      recoverTo: undefined,
    }))
  }

  async run(): Promise<void> {
    for (let i = 0; i < this.#options.steps; i++) {
      await this.#step()
      this.#check()
    }
    await this.#heal()
  }

  #note(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#random.int(items.length)] as T
  }

  async #step(): Promise<void> {
    const dice = this.#random.int(100)
    if (dice < 70 && this.#wire.length > 0) return this.#receive()
    const node = this.#pick(this.nodes)
    if (!node.up) return dice < 90 ? this.#restart(node) : undefined
    if (dice < 74) this.#elect(node)
    else if (dice < 90) this.#append(node)
    else if (dice < 92) this.#truncate(node)
    else if (dice < 94) this.#proceed(node)
    else if (dice < 95) this.#crash(node)
    else if (dice < 96) this.#wipe(node)
    else if (dice < 97) this.#wire = this.#wire.filter(() => this.#random.int(3) > 0)
    else this.#proceed(node)
  }

  async #receive(): Promise<void> {
    const index = this.#random.int(this.#wire.length)
    const message = this.#wire[index] as Message
    const fate = this.#random.int(20)
    // One in twenty is lost, one in twenty stays and comes again, perhaps long after.
    if (fate !== 1) this.#wire.splice(index, 1)
    if (fate === 0 || !this.#node(message.to).up) return
    await message.deliver()
  }

  #node(name: string): Node {
    return this.nodes.find((one) => one.name === name) as Node
  }

  /** Sends a request to all; each answer is heard only by the life that asked. */
  #ask<Reply>(
    asker: Node,
    handle: (node: Node) => Promise<Reply | undefined> | Reply | undefined,
    then: (from: string, reply: Reply) => void,
    to: readonly string[] = this.ensemble.replicas,
  ): void {
    const { life } = asker
    for (const name of to) {
      this.#wire.push({
        to: name,
        deliver: async () => {
          const reply = await handle(this.#node(name))
          // L5: what was answered is on disk, for `handle` commits before it returns.
          if (reply === undefined) return
          this.#wire.push({
            to: asker.name,
            deliver: () => {
              if (asker.life === life) then(name, reply)
            },
          })
        },
      })
    }
  }

  #commit(node: Node): void {
    node.disk.apply(takeOperations(node.replica))
  }

  // ---- replicas

  async #promise(node: Node, proposal: number, position?: number): Promise<PromiseReply> {
    const before = node.replica.status
    const outcome = replicas.promise(
      node.replica,
      position === undefined ? { proposal } : { proposal, position },
    )
    this.#commit(node)
    if (outcome.type === 'ANSWER') {
      if (outcome.reply.type !== 'IGNORED') assert.is(before, 'VOTING', 'L6')
      return outcome.reply
    }
    const body = await readBody(node.disk, outcome.position)
    assert.ok(body.ok, 'a learned body is on disk')
    const { generations } = node.replica
    return { type: 'ACCEPT', generations, learned: true, body: (body as { value: Body }).value }
  }

  #write(node: Node, proposal: number, entries: readonly Entry[]): WriteReply {
    for (const { position, body } of entries) {
      // L7: one proposal never carries two bodies to one position.
      const key = `${proposal}/${position}`
      const known = this.#written.get(key)
      assert.is(known ?? text(body), text(body), `L7: two bodies under ${key}`)
      this.#written.set(key, text(body))
    }
    const reply = replicas.write(node.replica, { proposal, entries })
    this.#commit(node)
    if (reply.type !== 'IGNORED') assert.is(node.replica.status, 'VOTING', 'L6')
    return reply
  }

  /** A body is chosen: learned, or acknowledged to a client. */
  #isChosen(position: number, body: Body): void {
    if (position < this.#begin) return
    const known = this.#truth.get(position)
    assert.is(text(body), known ?? text(body), `L1, L2, L8: two bodies chosen at ${position}`)
    this.#truth.set(position, text(body))
    if (body.type === 'TRUNCATE') this.#begin = Math.max(this.#begin, body.to)
  }

  #learn(node: Node, entries: readonly Entry[], begin?: number): void {
    for (const entry of entries) {
      this.#isChosen(entry.position, entry.body)
      replicas.learn(node.replica, entry)
    }
    if (begin !== undefined) replicas.truncated(node.replica, begin)
    this.#commit(node)
    this.#proceed(node)
  }

  #chosen(node: Node, proposal: number, from: number, to: number): void {
    for (const [position, record] of node.replica.open) {
      if (position < from || position > to || record.performed !== proposal) continue
      this.#isChosen(position, record.body as Body)
    }
    replicas.chosen(node.replica, { proposal, from, to })
    this.#commit(node)
    this.#proceed(node)
  }

  // ---- proposers

  #elect(node: Node): void {
    if (node.replica.status !== 'VOTING' || node.coordinator.phase === 'FILLING') return
    const proposal = coordinators.elect(node.coordinator, node.replica.promised)
    this.#ask(
      node,
      (replica) => this.#promise(replica, proposal),
      (from, reply) => {
        if (node.coordinator.proposal !== proposal) return
        const outcome = coordinators.onPromise(node.coordinator, from, reply)
        if (outcome.type !== 'FILL') return
        node.index = outcome.index
        this.#proceed(node)
      },
    )
  }

  #append(node: Node): void {
    const count = 1 + this.#random.int(3)
    const bodies = Array.from({ length: count }, (): Body => {
      const data = new TextEncoder().encode(`${node.name} ${++this.#appends}`)
      return { type: 'APPEND', data }
    })
    this.#propose(node, bodies)
  }

  #truncate(node: Node): void {
    if (node.coordinator.phase !== 'ELECTED') return
    const to = this.#random.int(node.coordinator.chosen + 2)
    this.#propose(node, [{ type: 'TRUNCATE', to }])
  }

  #propose(node: Node, bodies: readonly Body[]): void {
    const { coordinator } = node
    if (coordinator.phase !== 'ELECTED' || coordinator.batches.length >= 4) return
    const { proposal } = coordinator
    const batch = coordinators.propose(coordinator, bodies)
    this.#ask(
      node,
      (replica) => this.#write(replica, proposal, batch.entries),
      (from, reply) => {
        if (coordinator.proposal !== proposal) return
        const before = [...coordinator.batches]
        const outcome = coordinators.onWrite(coordinator, batch, from, reply)
        if (outcome.type !== 'CHOSEN') return
        this.#note('appends chosen')
        for (const done of before) {
          if (done.last > outcome.to) continue
          for (const { position, body } of done.entries) this.#isChosen(position, body)
        }
        const first = coordinator.first
        this.#ask(
          node,
          (to) => this.#chosen(to, proposal, first, outcome.to),
          () => undefined,
        )
      },
    )
  }

  #fill(node: Node, position: number): void {
    let fill = node.fills.get(position)
    if (fill === undefined) {
      // Any number will do: a low one is raised by what it meets.
      fill = fills.newFill(this.ensemble, position, this.#random.int(2) * node.replica.promised + 1)
      node.fills.set(position, fill)
    }
    const own = fill
    const { proposal } = own
    const current = () => node.fills.get(position) === own && own.proposal === proposal
    const act = (step: fills.FillStep) => {
      switch (step.type) {
        case 'WAIT':
          return
        case 'WRITE': {
          const entries = [{ position, body: own.body }]
          this.#ask(
            node,
            (replica) => this.#write(replica, proposal, entries),
            (from, reply) => current() && act(fills.onWrite(own, from, reply)),
          )
          return
        }
        case 'RETRY':
          return
        case 'CHOSEN': {
          node.fills.delete(position)
          this.#note('positions filled')
          this.#learn(node, [{ position, body: step.body }])
          const entries = [{ position, body: step.body }]
          this.#ask(
            node,
            (replica) => this.#learn(replica, entries),
            () => undefined,
          )
          return
        }
        case 'TRUNCATED':
          node.fills.delete(position)
          this.#learn(node, [], step.begin)
      }
    }
    this.#ask(
      node,
      (replica) => this.#promise(replica, proposal, position),
      (from, reply) => current() && act(fills.onPromise(own, from, reply)),
    )
  }

  /** Whatever a node waits for: it asks again, or goes on. */
  #proceed(node: Node): void {
    const { replica, coordinator } = node
    if (!node.up) return
    if (replica.status !== 'VOTING' && node.recoverTo === undefined) this.#survey(node)
    else if (replica.status === 'RECOVERING' && node.recoverTo !== undefined) {
      const [gap] = replicas.missing(replica, node.recoverTo)
      if (gap !== undefined) this.#fill(node, gap[0])
      else {
        replicas.setStatus(replica, 'VOTING')
        this.#commit(node)
        // L11
        assert.equal(replicas.missing(replica, node.recoverTo), [])
        this.#note('recovered')
        node.recoverTo = undefined
        node.voted = true
      }
    } else if (coordinator.phase === 'FILLING') {
      const [gap] = replicas.missing(replica, node.index)
      if (gap !== undefined) this.#fill(node, gap[0])
      else {
        coordinators.lead(coordinator, node.index)
        // L10: without a gap up to the index.
        assert.ok(replicas.learnedTo(replica) >= node.index)
        this.#note('elected')
      }
    }
  }

  // ---- recovery

  #survey(node: Node): void {
    const { replica } = node
    const answers = new Map<string, RecoverReply>()
    node.survey = answers
    const generation = replica.generations[node.name] ?? 0
    const consider = () => {
      if (node.survey !== answers || !node.up || node.recoverTo !== undefined) return
      const { status } = replica
      if (status === 'VOTING' || (replica.generations[node.name] ?? 0) !== generation) return
      const decision = decide({
        ensemble: this.ensemble,
        node: node.name,
        status,
        generation,
        autoInitialize: true,
        answers,
      })
      switch (decision.type) {
        case 'WAIT':
          return
        case 'ANNOUNCE':
          replicas.noteGeneration(replica, node.name, decision.generation)
          break
        case 'CATCH_UP':
          replicas.rejoin(replica, decision)
          node.recoverTo = decision.end
          break
        case 'START':
          replicas.setStatus(replica, 'STARTING')
          break
        case 'VOTE':
          // L14: a new log begins only where nobody has voted before.
          assert.not(node.voted, 'L14: a lost disk takes part in an initialization')
          node.voted = true
          replicas.setStatus(replica, 'VOTING')
      }
      this.#commit(node)
      this.#proceed(node)
    }
    const others = this.ensemble.replicas.filter((name) => name !== node.name)
    if (others.length === 0) consider()
    this.#ask(
      node,
      (other) => {
        const { status, begin, end, promised } = other.replica
        if (status !== 'VOTING') return { status }
        replicas.noteGeneration(other.replica, node.name, generation)
        this.#commit(other)
        return { status, begin, end, promised, generations: other.replica.generations }
      },
      (from, reply: RecoverReply) => {
        answers.set(from, reply)
        consider()
      },
      others,
    )
  }

  // ---- faults

  #crash(node: Node): void {
    this.#note('crashes')
    node.up = false
    node.life++
    node.fills.clear()
    node.recoverTo = undefined
    node.coordinator = coordinators.newCoordinator(this.ensemble)
  }

  async #restart(node: Node): Promise<void> {
    const before = node.replica
    const loaded = await load(node.disk, node.name)
    if (!loaded.ok) throw new Error(`a disk that was never damaged is refused: ${loaded.error}`)
    const after = loaded.value.replica
    // L3: nothing that was promised is forgotten, and nothing learned is unlearned.
    if (before.status === after.status) {
      assert.is(after.promised, before.promised, 'L3')
      assert.is(after.begin, before.begin)
      assert.equal(after.learned.ranges, before.learned.ranges)
      assert.equal([...after.open.keys()].sort(), [...before.open.keys()].sort())
    }
    node.replica = after
    node.up = true
    this.#proceed(node)
  }

  #wipe(node: Node): void {
    const voters = this.nodes.filter(({ replica }) => replica.status === 'VOTING')
    const left = voters.filter((one) => one !== node).length
    // The atlas of faults: a quorum of voters keeps its disks, or nothing can be promised.
    if (!this.#options.wipes || !node.voted || left < this.ensemble.quorum) return
    this.#note('disks lost')
    this.#crash(node)
    node.disk = new Disk()
    if (this.#random.int(2) === 0) node.disk.apply([condemnation(node.name)])
    node.replica = replicas.emptyReplica(node.name, node.disk.values.size > 0 ? 'CORRUPT' : 'EMPTY')
  }

  // ---- what must hold

  #check(): void {
    const counts = new Map<string, number>()
    for (const { replica } of this.nodes) {
      // L10
      assert.ok(replica.begin <= replica.end + 1, 'L10')
      for (const [position, record] of replica.open) {
        // L4, which needs §4.1
        assert.ok((record.performed ?? 0) <= record.promised, `L4 at ${position}`)
        if (record.performed === undefined) continue
        const key = `${record.performed}/${position}`
        const count = (counts.get(key) ?? 0) + 1
        counts.set(key, count)
        // L2: a quorum of disks holds it, so it is chosen, whether anybody knows or not.
        if (count === this.ensemble.quorum) this.#isChosen(position, record.body as Body)
      }
    }
  }

  /** Faults end. Somebody must be elected, append, and have all others learn it. */
  async #heal(): Promise<void> {
    this.#wire = []
    for (const node of this.nodes) {
      if (node.up) this.#crash(node)
      await this.#restart(node)
    }
    const leader = this.nodes[0] as Node
    for (let round = 0; round < 400; round++) {
      const before = this.seen['appends chosen'] ?? 0
      if (leader.coordinator.phase === 'IDLE' || leader.coordinator.phase === 'ELECTING') {
        this.#elect(leader)
      } else if (leader.coordinator.phase === 'ELECTED') this.#append(leader)
      for (const node of this.nodes) if (node.replica.status !== 'VOTING') this.#proceed(node)
      if (leader.coordinator.phase === 'FILLING') this.#proceed(leader)
      while (this.#wire.length > 0) {
        await (this.#wire.shift() as Message).deliver()
        this.#check()
      }
      const voting = this.nodes.every(({ replica }) => replica.status === 'VOTING')
      if (voting && (this.seen['appends chosen'] ?? 0) > before) return
    }
    const states = this.nodes.map(({ replica, coordinator }) => [replica.status, coordinator.phase])
    throw new Error(`no append after the faults ended: ${JSON.stringify(states)}`)
  }
}

function text(body: Body): string {
  if (body.type === 'APPEND') return new TextDecoder().decode(body.data)
  return body.type === 'TRUNCATE' ? `truncate ${body.to}` : 'nop'
}
