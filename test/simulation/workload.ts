/**
 * Frameworks with habits: they launch tasks on the offers that they get, through the SDK, and write down
 * what they did and were told, as a real one does in its database. Spec: simulation.md §3, §7.
 */
import type { Offer } from '../../protocol/v1/offer.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { RunInTurn } from '../../src/framework/driver.ts'
import { type Driver, Room, type SchedulerCallbacks, scheduler } from '../../src/framework/index.ts'
import type { ChildSpec } from '../../src/runtime/index.ts'
import { stream } from '../../src/runtime/ports/index.ts'
import type { Clock, Random, TimerHandle } from '../../src/runtime/ports.ts'
import { Abuser } from './abuse.ts'
import { Executors, executorShare } from './executors.ts'
import type { History } from './history.ts'
import { Keeper } from './keeper.ts'
import type { Settings } from './pace.ts'
import type { FrameworkPlan, Habit } from './plan.ts'

/** What a command does is in its variables; the simulated processes read them (`cluster.ts`). */
export const taskVariable = 'SIMULATED_TASK'
export const scriptVariable = 'SIMULATED_SCRIPT'

/** Those who want to be told that a task is being killed. */
const wantsKilling: ReadonlySet<Habit> = new Set<Habit>(['bursty', 'slow', 'failing over'])

export interface FrameworkOptions {
  readonly seed: string
  readonly settings: Settings
  readonly history: History
  readonly clock: Clock
  /** Told of broken rules. */
  readonly report: (violation: unknown) => void
  /** Told the id of a framework that has ended itself. */
  readonly abandon: (frameworkId: string) => void
  readonly mark: (situation: string) => void
}

export class Framework {
  readonly plan: FrameworkPlan
  /** That of its newest instance. */
  driver: Driver | undefined
  /** What it keeps at agents beside tasks. */
  readonly keeper: Keeper
  /** Who runs its tasks, if they are no commands. */
  readonly #executors: Executors
  readonly #options: FrameworkOptions
  readonly #history: History
  readonly #clock: Clock
  readonly #draw: Random
  readonly #abuser: Abuser
  /** How often it has ended itself and come anew. */
  #generation = 0
  /** Tasks that it wants to launch now, and has launched in all. */
  #wanted = 0
  #launched = 0
  #quiet = false
  /** Runs something as a turn of its scheduler: at once, and not with what the master says next. */
  #enter: RunInTurn = () => {}
  /** Whether it wants all there is, and does nothing with it. */
  #isCollecting = false
  readonly #timers = new Set<TimerHandle>()
  #held: Offer[] = []

  constructor(plan: FrameworkPlan, options: FrameworkOptions) {
    const { seed, history, clock } = options
    this.plan = plan
    this.#options = options
    this.#history = history
    this.#clock = clock
    this.#draw = stream(seed, 'workload', plan.name)
    this.keeper = new Keeper(plan.role, stream(seed, 'keeper', plan.name))
    this.#executors = new Executors(plan.name, stream(seed, 'executors', plan.name))
    this.#abuser = new Abuser(stream(seed, 'abuse', plan.name), (task) => this.#copyOf(task))
  }

  get id(): string {
    return `${this.plan.name}-id${this.#generation === 0 ? '' : this.#generation}`
  }

  /** Wants more from time to time, until it shall be quiet. */
  begin(): void {
    const { everyMs, habit, tasks } = this.plan
    const isReviving = this.#options.settings.isReviving || habit === 'steady'
    const want = () => {
      const more = habit === 'bursty' ? 20 : 1 + this.#draw.int(3)
      this.#wanted += Math.max(0, Math.min(more, tasks - this.#launched - this.#wanted))
      this.#killSome()
      if (isReviving && this.#wanted > 0) this.driver?.revive()
      this.#later(everyMs, want)
    }
    want()
  }

  /** Calls `act` from time to time, until it shall be quiet. */
  onTurn(act: () => void): void {
    const turn = () => {
      act()
      this.#later((5000 + this.#draw.int(15_000)) * idleFactor, turn)
    }
    const { idleFactor } = this.#options.settings
    this.#later(this.#draw.int(15_000) * idleFactor, turn)
  }

  /** Does something unless it shall be quiet by then. */
  #later(ms: number, act: () => void): void {
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer)
      act()
    }, ms)
    this.#timers.add(timer)
  }

  /** Ends itself with all of its tasks; its next instance is another framework, or is told that it must be. */
  retire(): void {
    this.driver?.teardown()
    if (this.#draw.int(3) > 0) this.#comeAnew()
  }

  /** It is over: by itself, or because it was away for longer than its failover time-out. */
  #comeAnew(): void {
    this.#history.tornDown(this.id)
    this.#options.abandon(this.id)
    this.#generation++
  }

  /** Launches nothing any more. */
  becomeQuiet(): void {
    this.#quiet = true
    this.#wanted = 0
    for (const timer of this.#timers) this.#clock.clearTimeout(timer)
    this.#letGo()
  }

  /** Takes all offers that it can get, and keeps them. */
  collect(): void {
    this.#isCollecting = true
    this.#enter(() => this.driver?.revive())
  }

  /** Gives back those of them with these ids, and may have them again at once. */
  giveBack(ids: ReadonlySet<string>): void {
    const given = this.#held.filter(({ id }) => ids.has(id.value))
    if (given.length === 0) return
    this.#held = this.#held.filter(({ id }) => !ids.has(id.value))
    this.#enter(() => this.driver?.decline(given, { refuse_seconds: 0 }))
  }

  /** Gives them back, and wants no more. */
  leave(): void {
    this.#isCollecting = false
    this.#enter(() => {
      this.#letGo()
      this.driver?.suppress()
    })
  }

  /**
   * Its program, for one life of its host. A former instance that still runs launches nothing any more.
   * `restart`: its host's init system, for when the newest instance was ended: what a former one said may
   * reach the master after what it says itself, and take over. `enter`: runs something as a turn of its
   * scheduler, as for an author who calls from outside.
   */
  program(restart: () => void, enter: RunInTurn): readonly ChildSpec[] {
    this.#held = []
    this.driver = undefined
    this.keeper.forget()
    const { name, role } = this.plan
    const { settings } = this.#options
    const open = this.#history.unended.filter(({ framework }) => framework === this.id)
    const options = {
      framework: {
        name,
        user: 'nobody',
        id: { value: this.id },
        roles: [role],
        failover_timeout: settings.failoverSeconds,
        checkpoint: true,
        capabilities: [
          { type: 'MULTI_ROLE' as const },
          { type: 'PARTITION_AWARE' as const },
          { type: 'RESERVATION_REFINEMENT' as const },
          ...(wantsKilling.has(this.plan.habit) ? [{ type: 'TASK_KILLING_STATE' as const }] : []),
        ],
      },
      tasks: open.map(({ id, agentId }) => ({ taskId: id, agentId })),
      ...settings.scheduler,
      callbacks: this.#callbacks(restart),
    }
    return [
      scheduler(options, (driver) => {
        this.driver = driver
        this.#enter = enter
        this.#history.begins(driver)
      }),
    ]
  }

  #callbacks(restart: () => void): SchedulerCallbacks {
    const { id } = this
    const { habit } = this.plan
    return {
      offers: (offers, driver) => {
        this.#watch(() => this.#history.offered(id, driver, offers))
        if (driver !== this.driver) driver.decline(offers)
        else if (this.#isCollecting) this.#held.push(...offers)
        else if (this.#quiet) this.#use(offers, driver)
        else if (habit === 'hoarding') this.#hold(offers, 2000 + this.#draw.int(8000))
        else if (habit === 'slow') this.#hold(offers, this.#draw.int(3000))
        else this.#use(offers, driver)
      },
      rescinded: (offerId) => {
        this.#held = this.#held.filter(({ id }) => id.value !== offerId)
      },
      inverseOffers: (offers, driver) => {
        if (this.#draw.int(2) === 0) driver.acceptInverse(offers)
        else driver.declineInverse(offers)
      },
      update: (status, driver) => {
        this.#watch(() => this.#history.told(id, driver, status))
        if (habit !== 'slow') return
        return new Promise((resolve) => this.#clock.setTimeout(resolve, this.#draw.int(3000)))
      },
      error: ({ code }, driver) => {
        this.#options.mark(`a framework hears ${code}`)
        if (driver !== this.driver) return
        if (code === 'FRAMEWORK_REMOVED') this.#comeAnew()
        restart()
      },
      operation: (status) => {
        this.#history.toldOfOperation(id, status)
        this.keeper.heard(status)
      },
      message: (from, driver) => {
        if (this.#draw.int(4) > 0) driver.message(from, from.data)
        else driver.shutdownExecutor(from)
      },
      failure: ({ executorId }) => {
        if (executorId !== undefined) this.#options.mark('an executor is said to have ended')
      },
    }
  }

  /** A broken rule is no fault of the framework's. */
  #watch(look: () => void): void {
    try {
      look()
    } catch (error) {
      this.#options.report(error)
    }
  }

  /** Holds what it gets for so long, then uses it all, stale or not. */
  #hold(offers: readonly Offer[], forMs: number): void {
    if (this.#held.length === 0) this.#clock.setTimeout(() => this.#letGo(), forMs)
    this.#held.push(...offers)
  }

  #letGo(): void {
    if (this.#isCollecting) return
    const held = this.#held
    this.#held = []
    if (this.driver !== undefined) this.#use(held, this.driver)
  }

  #use(offers: readonly Offer[], driver: Driver): void {
    for (const offer of offers) {
      const operation =
        this.plan.habit === 'keeping' && !this.#quiet ? this.keeper.operationFor(offer) : undefined
      if (operation !== undefined) {
        driver.accept([offer], [operation], { refuse_seconds: 0.5 })
        continue
      }
      const tasks = this.#tasksFor(offer)
      const { wanting, sated } = this.#options.settings.refuseSeconds
      const refuse_seconds = this.#wanted > 0 ? wanting : sated
      if (tasks.length === 0) this.#declineAll(offer, driver, refuse_seconds)
      else if (this.plan.habit === 'executing')
        driver.accept([offer], [this.#executors.launch(offer, tasks)], { refuse_seconds })
      else driver.launch([offer], tasks, { refuse_seconds })
      if (this.plan.habit === 'hostile') this.#abuser.abuse(offer, tasks, driver)
    }
  }

  #declineAll(offer: Offer, driver: Driver, refuse_seconds: number): void {
    driver.decline([offer], { refuse_seconds })
    if (this.plan.habit === 'steady' && this.#wanted === 0) driver.suppress()
  }

  #tasksFor(offer: Offer): TaskInfo[] {
    const room = new Room(offer)
    const ports = (offer.resources ?? []).find(({ name }) => name === 'ports')?.ranges?.range ?? []
    const free = ports.flatMap(({ begin, end }) =>
      Array.from({ length: end - begin + 1 }, (_, index) => begin + index),
    )
    const tasks: TaskInfo[] = []
    if (this.plan.habit === 'executing') {
      if (room.lacks(executorShare).length > 0) return []
      room.take(executorShare)
    }
    while (this.#wanted > 0) {
      const greedy = this.plan.habit === 'greedy'
      const cpus = greedy ? 1 : (1 + this.#draw.int(10)) / 10
      const mem = greedy ? 64 : 16 * (1 + this.#draw.int(4))
      if (room.lacks({ cpus, mem }).length > 0) break
      const port = this.#draw.int(3) === 0 ? free.shift() : undefined
      tasks.push(this.#task(offer, room.take({ cpus, mem }), { cpus, mem, port }))
    }
    return tasks
  }

  #task(
    offer: Offer,
    taken: readonly NonNullable<TaskInfo['resources']>[number][],
    { cpus, mem, port }: { cpus: number; mem: number; port: number | undefined },
  ): TaskInfo {
    const { name } = this.plan
    const id = `${name}.${this.#launched++}`
    this.#wanted--
    const agentId = offer.agent_id.value
    this.#history.launched({ id, framework: this.id, agentId, cpus, mem, port })
    const role = offer.allocation_info?.role
    const portResource = {
      name: 'ports',
      type: 'RANGES' as const,
      ranges: { range: [{ begin: port ?? 0, end: port ?? 0 }] },
      ...(role !== undefined && { allocation_info: { role } }),
    }
    return {
      name: id,
      task_id: { value: id },
      agent_id: offer.agent_id,
      resources: port === undefined ? [...taken] : [...taken, portResource],
      ...this.#programOf(id),
      kill_policy: { grace_period: { nanoseconds: 1_000_000_000 * this.#graceSeconds() } },
    }
  }

  /** Some of a hostile one make no sense. */
  #graceSeconds(): number {
    const isAbsurd = this.plan.habit === 'hostile' && this.#draw.int(20) === 0
    return isAbsurd ? -1 : this.#draw.int(3)
  }

  /** A command, or what an executor is to do. */
  #programOf(id: string): Pick<TaskInfo, 'command' | 'data'> {
    const script = this.#script()
    if (this.plan.habit === 'executing') return { data: new TextEncoder().encode(script) }
    const variables = [
      { name: taskVariable, value: id },
      { name: scriptVariable, value: script },
    ]
    return { command: { value: 'simulated', environment: { variables } } }
  }

  #copyOf(task: TaskInfo): TaskInfo {
    const id = `${this.plan.name}.${this.#launched++}`
    const agentId = task.agent_id.value
    this.#history.launched({
      id,
      framework: this.id,
      agentId,
      cpus: 0,
      mem: 0,
      port: undefined,
    })
    const variables = task.command?.environment?.variables?.map((variable) =>
      variable.name === taskVariable ? { ...variable, value: id } : variable,
    )
    const command = { ...task.command, environment: { variables: variables ?? [] } }
    return { ...task, name: id, task_id: { value: id }, command }
  }

  /** Run time in ms, exit code, whether it heeds SIGTERM, and how many processes it leaves to themselves. */
  #script(): string {
    const runMs = Math.round(this.#draw.next() ** 2 * this.plan.runMsMax)
    const code = this.#draw.int(5) === 0 ? 1 + this.#draw.int(100) : 0
    const manners = ['end', 'end', 'ignore', 'slow'][this.#draw.int(4)]
    const forks = this.#draw.int(4) === 0 ? 1 + this.#draw.int(2) : 0
    return `${runMs} ${code} ${manners} ${forks}`
  }

  #killSome(): void {
    if (this.plan.killed === 0) return
    for (const { id, framework } of this.#history.unended) {
      if (framework === this.id && this.#draw.next() < this.plan.killed / 4) this.driver?.kill(id)
    }
  }
}
