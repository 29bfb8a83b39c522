/**
 * Whatever befalls an agent and its executors, what is promised of every task holds. Spec: agent.md §15
 * invariants 2 to 5, executor-api.md §4, §7.
 */
import fc from 'fast-check'
import { ShutdownExecutor } from '../../protocol/agent.ts'
import { isTerminal, type TaskStatus } from '../../protocol/v1/status.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { executorInfo, executorTask } from '../support/executor-program.ts'
import { HonestExecutor } from '../support/honest-executor.ts'
import { commandTask } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('agent: promises')
const executors = ['e1', 'e2']

/** An agent, its executors' programs, and a master that keeps account of both. */
class Scene {
  readonly lab: AgentLab
  /** Those that the master takes for running. */
  readonly known = new Set<string>()
  readonly programs = new Map<number, HonestExecutor>()
  #heard = 0
  #tasks: string[] = []

  static async start(): Promise<Scene> {
    const lab = await AgentLab.start({
      kill_tasks_on_stop: true,
      executor_registration_timeout_ms: 5000,
    })
    return new Scene(lab)
  }

  private constructor(lab: AgentLab) {
    this.lab = lab
    const reconcile = () => this.open.map((task) => ({ ...framework, task_id: { value: task } }))
    Object.defineProperty(lab.master, 'reconcile', { get: reconcile })
  }

  statusesOf(task: string): TaskStatus[] {
    const { updates } = this.lab.master
    return updates.map(({ status }) => status).filter(({ task_id }) => task_id.value === task)
  }

  get tasks(): readonly string[] {
    return this.#tasks
  }

  /** Tasks of which the master has heard no end. */
  get open(): string[] {
    return this.#tasks.filter((task) => !this.statusesOf(task).some(ended))
  }

  /** Lets time pass, programs come and go with their processes, and the master hear. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left >= 0; left -= 500) {
      await this.lab.world.advance(Math.min(left, 500))
      // A program takes a moment before it says its first word.
      if (left > 1) await this.#followProcesses()
      // Nothing is to be made good by a new registration.
      this.lab.master.ping(this.lab.node)
    }
    this.#hear()
  }

  async #followProcesses(): Promise<void> {
    const { world, node } = this.lab
    const { processes } = world.ports('a')
    const running = processes.running()
    for (const [pid, program] of [...this.programs]) {
      if (running.some((each) => each.pid === pid)) continue
      this.programs.delete(pid)
      await program.leave()
    }
    for (const { pid, options } of running) {
      const id = options.env.MESOS_EXECUTOR_ID ?? ''
      if (!executors.includes(id) || this.programs.has(pid)) continue
      const exit = () => void processes.kill(pid, 'SIGKILL', true)
      this.programs.set(
        pid,
        await HonestExecutor.start(world, node, { pid, env: options.env, exit }),
      )
    }
  }

  #hear(): void {
    const { heard } = this.lab.master
    for (; this.#heard < heard.length; this.#heard++) {
      const { type, body } = heard[this.#heard]!
      if (type === 'EXITED_EXECUTOR') this.known.delete((body as Exit).executor_id.value)
      if (type !== 'REREGISTER_AGENT') continue
      this.known.clear()
      for (const { executor_info } of (body as Report).executors) {
        this.known.add(executor_info.executor_id.value)
      }
    }
  }

  #newTask(): string {
    const id = `t${this.#tasks.length}`
    this.#tasks.push(id)
    return id
  }

  async launchCommand(runs: string): Promise<void> {
    await this.lab.run([commandTask(this.#newTask(), runs)])
  }

  async launchCustom(id: string, count: number): Promise<void> {
    const executor = executorInfo(id)
    const tasks = Array.from({ length: count }, () => executorTask(this.#newTask(), executor))
    const launch_executor = !this.known.has(id)
    this.known.add(id)
    await this.lab.run(tasks, { executor, launch_executor, group: count > 1 })
  }

  kill(index: number): void {
    const task = this.open[index % Math.max(1, this.open.length)]
    if (task !== undefined) this.lab.master.kill(this.lab.node, task)
  }

  async finish(index: number): Promise<void> {
    const all = [...this.programs.values()].flatMap((program) =>
      [...program.running].map((task) => ({ program, task })),
    )
    const one = all[index % Math.max(1, all.length)]
    await one?.program.finish(one.task)
  }

  shutDown(id: string): void {
    const body = { epoch: 1, ...framework, executor_id: { value: id } }
    this.lab.master.send(this.lab.node, ShutdownExecutor, body)
  }

  async crashActor(index: number): Promise<void> {
    const cells = [...this.lab.agent.cells()].filter(({ id }) => id.startsWith('executor-'))
    const cell = cells[index % Math.max(1, cells.length)]
    if (cell === undefined) return
    this.lab.agent.call(cell, () => {
      throw new Error('a fault')
    })
  }

  async crash(awayMs: number): Promise<void> {
    await this.lab.world.crash(this.lab.agent)
    await this.pass(awayMs)
    await this.lab.boot()
  }

  async stop(): Promise<void> {
    let stopped = false
    void this.lab.agent.stop().then(() => {
      stopped = true
    })
    for (let waited = 0; !stopped && waited < 20_000; waited += 500) await this.pass(500)
    assert.ok(stopped, 'the agent does not stop')
    assert.equal(this.lab.alive, [], 'tasks outlive an agent that was to end them')
    await this.lab.boot()
  }
}

const framework = { framework_id: { value: 'F1' } }
const ended = ({ state }: TaskStatus) => isTerminal(state)
const hex = ({ uuid }: TaskStatus) => Buffer.from(uuid ?? []).toString('hex')

type Exit = { readonly executor_id: { readonly value: string } }
type Report = { readonly executors: ReadonlyArray<{ readonly executor_info: Exit }> }

/** What may happen, each with a number that chooses whom it befalls. */
const happenings: Record<string, (scene: Scene, chance: number) => unknown> = {
  'short command': (scene) => scene.launchCommand('sleep 3'),
  'long command': (scene) => scene.launchCommand('sleep infinity'),
  task: (scene, chance) => scene.launchCustom(executors[chance % 2]!, 1),
  group: (scene, chance) => scene.launchCustom(executors[chance % 2]!, 2),
  kill: (scene, chance) => scene.kill(chance),
  finish: (scene, chance) => scene.finish(chance),
  'shut down': (scene, chance) => scene.shutDown(executors[chance % 2]!),
  'actor crash': (scene, chance) => scene.crashActor(chance),
  'agent crash': (scene, chance) => scene.crash((chance % 5) * 1000),
  stop: (scene) => scene.stop(),
  'silent scheduler': ({ lab }, chance) => {
    lab.master.acknowledges = chance % 2 === 0
  },
}

const often = ['task', 'group', 'kill', 'agent crash']
const sometimes = ['finish', 'shut down', 'short command', 'long command']
const seldom = ['stop', 'actor crash', 'silent scheduler']
const happening = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...often) },
  { weight: 3, arbitrary: fc.constantFrom(...sometimes) },
  { weight: 1, arbitrary: fc.constantFrom(...seldom) },
)

const story = fc.record({
  latencyMs: fc.constantFrom(0, 5),
  steps: fc.array(fc.tuple(happening, fc.nat(100), fc.constantFrom(0, 1, 12, 700, 4000)), {
    minLength: 4,
    maxLength: 20,
  }),
})

/** Faults are over: everything that still runs is ended. */
async function conclude(scene: Scene): Promise<void> {
  const { lab } = scene
  lab.master.acknowledges = true
  lab.world.ports('a').disk.setFaults({})
  await scene.pass(60_000)
  for (const task of scene.open) lab.master.kill(lab.node, task)
  await scene.pass(20_000)
  assert.equal(scene.open, [], 'tasks that cannot be killed')
  for (const id of scene.known) scene.shutDown(id)
  await scene.pass(20_000)
}

function check(scene: Scene): void {
  const { lab } = scene
  for (const task of scene.tasks) {
    const statuses = scene.statusesOf(task)
    const states = statuses.map(({ state }) => state).join(' ')
    const ends = statuses.filter(ended)
    assert.is(new Set(ends.map(hex)).size, 1, `${task} ended more than once or never: ${states}`)
    const distinct = statuses.filter(
      (status, at) => hex(status) !== hex(statuses[at - 1] ?? status),
    )
    assert.ok(distinct.length === new Set(distinct.map(hex)).size, `${task} went back: ${states}`)
    assert.ok(ended(statuses.at(-1)!), `${task} went on after its end: ${states}`)
  }
  assert.equal(lab.alive, [], 'left running')
  assert.equal([...scene.known], [], 'executors that the master holds resources for')
}

test('every task ends once, in order, and nothing is left that nobody knows of', {
  timeoutMs: 180_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(story, async ({ latencyMs, steps }) => {
      const scene = await Scene.start()
      const { lab } = scene
      lab.world.ports('a').disk.setFaults({ latencyMs: () => latencyMs })
      for (const [what, chance, pauseMs] of steps) {
        await happenings[what]!(scene, chance)
        await scene.pass(pauseMs)
      }
      await conclude(scene)
      check(scene)
      await lab.restart()
      const { tasks, executors: left } = lab.report()
      assert.equal([tasks, left], [[], []], 'left with the agent')
      await lab.world.stop()
    }),
    { numRuns: 40 },
  )
})

test.run()
