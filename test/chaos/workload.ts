/**
 * The framework of a chaos run: so many short tasks a second, whatever happens, each launched at most once.
 * What becomes of them is written down here, and each command writes down that it ran.
 */
import type { Offer } from '../../protocol/v1/offer.ts'
import { type TaskStatus, terminalTaskStates } from '../../protocol/v1/status.ts'
import { type Connected, connectScheduler, type Driver, Room } from '../../src/framework/index.ts'

export interface WorkloadOptions {
  readonly servers: readonly string[]
  readonly perSecond: number
  /** Each command appends its task's id to this file, a line each. */
  readonly ran: string
  /** Told of the first offers after each subscription. */
  readonly onOffers: () => void
}

/** What the framework knows of one of its tasks. */
export interface TaskRecord {
  /** Terminal states that it was told of. */
  readonly ends: Set<string>
  /** Of the terminal statuses that agents have sent: a repeat has the same. */
  readonly uuids: Set<string>
  /** Of the first terminal status, if it says one. */
  reason?: string
}

const tickMs = 20
const each = { cpus: 0.1, mem: 8 }
/** Keeps some tasks running at any time. */
const taskSeconds = 0.3

export class Workload {
  /** By task id; all that were launched. */
  readonly tasks = new Map<string, TaskRecord>()
  readonly #options: WorkloadOptions
  readonly #waiting: string[] = []
  #created = 0
  #ended = 0
  #fresh = false
  #timer: NodeJS.Timeout | undefined
  #connected: Connected | undefined

  constructor(options: WorkloadOptions) {
    this.#options = options
  }

  /** Tasks that were launched and of which no end is known. */
  get open(): number {
    return this.tasks.size - this.#ended
  }

  /** Tasks that wait for an offer. */
  get waiting(): number {
    return this.#waiting.length
  }

  async start(): Promise<void> {
    this.#connected = await connectScheduler({
      servers: this.#options.servers,
      framework: {
        name: 'chaos',
        user: 'root',
        failover_timeout: 600,
        checkpoint: true,
        capabilities: [{ type: 'PARTITION_AWARE' }],
      },
      retryMs: 50,
      retryMsMax: 500,
      silenceMs: 5000,
      callbacks: {
        subscribed: () => {
          this.#fresh = true
        },
        offers: (offers, driver) => this.#offers(offers, driver),
        update: (status) => this.#update(status),
      },
    })
    const startMs = performance.now()
    this.#timer = setInterval(() => {
      const due = ((performance.now() - startMs) / 1000) * this.#options.perSecond
      for (; this.#created < due; this.#created++) this.#waiting.push(`t${this.#created}`)
    }, tickMs)
  }

  /** Creates no more tasks. Those that wait are still launched. */
  stop(): void {
    clearInterval(this.#timer)
  }

  /** Ends the framework. Idempotent. */
  async close(): Promise<void> {
    this.stop()
    this.#connected?.driver.teardown()
    await this.#connected?.close()
  }

  #offers(offers: readonly Offer[], driver: Driver): void {
    if (this.#fresh) {
      this.#fresh = false
      this.#options.onOffers()
    }
    for (const offer of offers) {
      const room = new Room(offer)
      const fitting = []
      while (this.#waiting.length > 0 && room.lacks(each).length === 0) {
        const id = this.#waiting.shift()!
        this.tasks.set(id, { ends: new Set(), uuids: new Set() })
        fitting.push({
          name: id,
          task_id: { value: id },
          agent_id: offer.agent_id,
          resources: room.take(each),
          command: { value: `echo ${id} >> ${this.#options.ran}; sleep ${taskSeconds}` },
        })
      }
      driver.launch([offer], fitting, { refuse_seconds: 0 })
    }
  }

  #update({ task_id, state, uuid, reason }: TaskStatus): void {
    const task = this.tasks.get(task_id.value)
    if (task === undefined || !terminalTaskStates.has(state)) return
    if (task.ends.size === 0) {
      this.#ended++
      if (reason !== undefined) task.reason = reason
    }
    task.ends.add(state)
    if (uuid !== undefined) task.uuids.add(Buffer.from(uuid).toString('hex'))
  }
}
