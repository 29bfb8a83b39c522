/**
 * What a framework's author calls: Mesos' scheduler calls as methods. Usable inside callbacks and outside;
 * calls are sent in the order made. They are not answered: what comes of them is told by callbacks.
 */
import { encode } from '../../protocol/codec.ts'
import type { Call } from '../../protocol/scheduler.ts'
import type { KillPolicy } from '../../protocol/v1/command.ts'
import type { Filters } from '../../protocol/v1/framework.ts'
import type { InverseOffer, Offer, OfferOperation } from '../../protocol/v1/offer.ts'
import type { OperationStatus, TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Context } from '../runtime/index.ts'
import type { KnownOperations } from './known-operations.ts'
import type { KnownTasks } from './known-tasks.ts'

/** Why a framework has ended. */
export class CallError extends Error {
  readonly code: string
  /** What to do about it. */
  readonly advice: string
  constructor(code: string, message: string, advice: string) {
    super(message)
    this.name = 'CallError'
    this.code = code
    this.advice = advice
  }
}

/** Runs something as a turn of the scheduler's actor. */
export type RunInTurn = (run: () => void) => void

export class Driver {
  readonly frameworkId: string
  /** The subscription that calls belong to; undefined while there is none. Set by the scheduler. */
  streamId: string | undefined
  readonly #cx: Context
  readonly #callSubject: string
  readonly #tasks: KnownTasks
  readonly #operations: KnownOperations
  #turn = false
  #enter: RunInTurn | undefined
  #ended = false
  #onEnd: ((error: CallError | undefined) => void) | undefined

  constructor(
    cx: Context,
    frameworkId: string,
    callSubject: string,
    tasks: KnownTasks,
    operations: KnownOperations,
  ) {
    this.#cx = cx
    this.frameworkId = frameworkId
    this.#callSubject = callSubject
    this.#tasks = tasks
    this.#operations = operations
  }

  /** Tasks that were launched or heard of and have not ended. */
  get liveTasks(): number {
    return this.#tasks.size
  }

  /** True after an error or a teardown: calls are ignored. */
  get ended(): boolean {
    return this.#ended
  }

  /** Uses offers of one agent for operations, in their order; what is left is declined with `filters`. */
  accept(offers: readonly Offer[], operations: readonly OfferOperation[], filters?: Filters): void {
    for (const { launch, launch_group, id } of operations) {
      const agentId = offers[0]?.agent_id.value
      if (id !== undefined && agentId !== undefined)
        this.#operations.sent(id.value, agentId, this.#cx.monotonic())
      const tasks = launch?.task_infos ?? launch_group?.task_group.tasks ?? []
      for (const { task_id, agent_id } of tasks) {
        this.#tasks.launched(task_id.value, agent_id.value, this.#cx.monotonic())
      }
    }
    const offer_ids = offers.map(({ id }) => id)
    this.call({
      ...this.#call('ACCEPT'),
      accept: { offer_ids, operations: [...operations], ...(filters && { filters }) },
    })
  }

  /** Launches tasks on offers of one agent; what is left of the offers is declined with `filters`. */
  launch(offers: readonly Offer[], tasks: readonly TaskInfo[], filters?: Filters): void {
    this.accept(offers, [{ type: 'LAUNCH', launch: { task_infos: [...tasks] } }], filters)
  }

  decline(offers: readonly Offer[], filters?: Filters): void {
    if (offers.length === 0) return
    const offer_ids = offers.map(({ id }) => id)
    this.call({ ...this.#call('DECLINE'), decline: { offer_ids, ...(filters && { filters }) } })
  }

  /** Says that the agents of inverse offers will be given back: their tasks are the author's to end. */
  acceptInverse(offers: readonly InverseOffer[], filters?: Filters): void {
    if (offers.length === 0) return
    const answer = { inverse_offer_ids: offers.map(({ id }) => id), ...(filters && { filters }) }
    this.call({ ...this.#call('ACCEPT_INVERSE_OFFERS'), accept_inverse_offers: answer })
  }

  /** Says that they will not; the framework is asked again after `filters.refuse_seconds`. */
  declineInverse(offers: readonly InverseOffer[], filters?: Filters): void {
    if (offers.length === 0) return
    const answer = { inverse_offer_ids: offers.map(({ id }) => id), ...(filters && { filters }) }
    this.call({ ...this.#call('DECLINE_INVERSE_OFFERS'), decline_inverse_offers: answer })
  }

  /** Offers again for these roles (all, if none is named), and all refusals forgotten. */
  revive(roles: readonly string[] = []): void {
    this.call({ ...this.#call('REVIVE'), revive: { roles: [...roles] } })
  }

  /** No offers for these roles (all, if none is named) until revived. */
  suppress(roles: readonly string[] = []): void {
    this.call({ ...this.#call('SUPPRESS'), suppress: { roles: [...roles] } })
  }

  kill(taskId: string, options: { agentId?: string; killPolicy?: KillPolicy } = {}): void {
    const { agentId, killPolicy } = options
    const kill = {
      task_id: { value: taskId },
      ...(agentId !== undefined && { agent_id: { value: agentId } }),
      ...(killPolicy && { kill_policy: killPolicy }),
    }
    this.call({ ...this.#call('KILL'), kill })
  }

  /** Asks for the state of all tasks that the master knows of this framework. */
  reconcile(): void {
    this.call({ ...this.#call('RECONCILE'), reconcile: { tasks: [] } })
  }

  /** Asks for the status of all operations with an id that the master knows of this framework. */
  reconcileOperations(): void {
    const reconcile_operations = { operations: [] }
    this.call({ ...this.#call('RECONCILE_OPERATIONS'), reconcile_operations })
  }

  message(to: { agentId: string; executorId: string }, data: Uint8Array): void {
    const message = { agent_id: { value: to.agentId }, executor_id: { value: to.executorId }, data }
    this.call({ ...this.#call('MESSAGE'), message })
  }

  shutdownExecutor(of: { agentId: string; executorId: string }): void {
    const shutdown = { agent_id: { value: of.agentId }, executor_id: { value: of.executorId } }
    this.call({ ...this.#call('SHUTDOWN'), shutdown })
  }

  /** Ends the framework: all its tasks are killed, its id is used up. */
  teardown(): void {
    this.call(this.#call('TEARDOWN'))
    this.inTurn(() => this.#cx.raise({ type: 'TORN_DOWN' }))
  }

  /** Done by the scheduler for its author. */
  acknowledge({ uuid, agent_id, task_id }: TaskStatus): void {
    if (uuid === undefined || agent_id === undefined) return
    this.call({ ...this.#call('ACKNOWLEDGE'), acknowledge: { uuid, agent_id, task_id } })
  }

  /** Done by the scheduler for its author. */
  acknowledgeOperation({ uuid, agent_id, operation_id }: OperationStatus): void {
    if (uuid === undefined || operation_id === undefined) return
    const acknowledge_operation_status = {
      uuid: uuid.value,
      operation_id,
      ...(agent_id && { agent_id }),
    }
    this.call({ ...this.#call('ACKNOWLEDGE_OPERATION_STATUS'), acknowledge_operation_status })
  }

  /** Any call, as a document. */
  call(call: Call): void {
    if (this.#ended) return
    this.inTurn(() => {
      const stream = this.streamId === undefined ? {} : { stream_id: this.streamId }
      this.#cx.publish(this.#callSubject, encode({ ...call, ...stream }))
    })
  }

  #call<const Type extends Call['type']>(type: Type) {
    return { type, framework_id: { value: this.frameworkId } }
  }

  /** Runs something in the actor's turn: at once within one, else as a turn of its own. */
  inTurn(run: () => void): void {
    if (this.#turn || this.#enter === undefined) run()
    else this.#enter(() => this.asTurn(run))
  }

  /** Marks what runs as a turn of the actor. For the scheduler, which is in one. */
  asTurn(run: () => void): void {
    this.#turn = true
    try {
      run()
    } finally {
      this.#turn = false
    }
  }

  /** Tells how to enter the actor from outside, and who wants to know of the end. */
  attach(enter: RunInTurn, onEnd: (error: CallError | undefined) => void): void {
    this.#enter = enter
    this.#onEnd = onEnd
  }

  end(error: CallError | undefined): void {
    if (this.#ended) return
    this.#ended = true
    this.#onEnd?.(error)
  }
}
