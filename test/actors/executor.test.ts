/** The executor of a command task, in the hands of its agent. Spec: executor-api.md §6, §9.1-§9.3. */
import { type CommandArgs, commandExecutor, type Place } from '../../actors/executor/index.ts'
import { EndExecutor, EndTask, type ReportStatus, StatusTaken } from '../../protocol/container.ts'
import type { Payload } from '../../protocol/message.ts'
import type { CommandInfo, EnvironmentVariable } from '../../protocol/v1/command.ts'
import { exitStatusLabel, type TaskState, type TaskStatus } from '../../protocol/v1/status.ts'
import type { TaskInfo } from '../../protocol/v1/task.ts'
import type { Node, Pid } from '../../src/runtime/index.ts'
import type { Behaviour } from '../../src/runtime/ports/index.ts'
import { AgentLab } from '../support/agent-lab.ts'
import { type Probe, type World, world } from '../support/nodes.ts'
import { commandTask, testFramework } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('command executor')
const SANDBOX = '/a/run'
const graced = (seconds: number) => ({
  kill_policy: { grace_period: { nanoseconds: seconds * 1e9 } },
})

const place: Place = {
  agent_id: 'A1',
  framework: testFramework,
  executor_id: 't1',
  sandbox: SANDBOX,
  shutdownGraceMs: 5000,
  recoveryTimeoutMs: 900_000,
  subscriptionBackoffMs: 2000,
}

/** An executor with one task, and the test as its agent. */
class Scene {
  readonly world: World
  readonly node: Node
  readonly agent: Probe
  pid!: Pid

  /** Starts it; `command` is what the task runs. */
  static async start(command: string, more: Partial<CommandArgs> = {}): Promise<Scene> {
    return (await Scene.prepare()).begin(commandTask('t1', command), more)
  }

  static async prepare(): Promise<Scene> {
    const w = world()
    const node = await w.start('a')
    const scene = new Scene(w, node, await w.probe(node, 'agent'))
    await w.run(w.ports('a').disk.makeDirectory(SANDBOX))
    return scene
  }

  private constructor(w: World, node: Node, agent: Probe) {
    this.world = w
    this.node = node
    this.agent = agent
  }

  async begin(task: TaskInfo, more: Partial<CommandArgs> = {}): Promise<this> {
    const run = { sandbox: SANDBOX, control: SANDBOX }
    const shared = { place, run, task, container_id: 'c1', switchUser: false }
    this.pid = await this.agent.turn((cx) =>
      cx.spawn(commandExecutor({ owner: cx.self, ...shared, ...more })),
    )
    await this.world.settle()
    return this
  }

  get statuses(): TaskStatus[] {
    return this.agent.received
      .filter(({ type }) => type === 'REPORT_STATUS')
      .map(({ body }) => (body as Payload<typeof ReportStatus>).status)
  }

  get states(): TaskState[] {
    return this.statuses.map(({ state }) => state)
  }

  get last(): TaskStatus | undefined {
    return this.statuses.at(-1)
  }

  get processes() {
    return this.world.ports('a').processes
  }

  kill(graceMs?: number): Promise<void> {
    const policy = { kill_policy: { grace_period: { nanoseconds: (graceMs ?? 0) * 1e6 } } }
    return this.agent.send(this.pid, EndTask, graceMs === undefined ? {} : policy)
  }

  end(max_grace_ms?: number): Promise<void> {
    return this.agent.send(
      this.pid,
      EndExecutor,
      max_grace_ms === undefined ? {} : { max_grace_ms },
    )
  }

  /** The agent has these on disk. */
  async taken(statuses: readonly TaskStatus[]): Promise<void> {
    for (const { task_id, uuid } of statuses) {
      await this.agent.send(this.pid, StatusTaken, { task_id, uuid: uuid! })
    }
  }

  /** How long the last process lives from now on, ms; fails if that is longer than a minute. */
  async lifetime(): Promise<number> {
    const begin = this.world.clock.monotonic()
    await this.world.until(() => this.processes.running().length === 0, 60_000)
    return this.world.clock.monotonic() - begin
  }
}

const deaf: Behaviour = { onTerminate: 'ignore' }

async function withDeaf(task: Partial<TaskInfo> = {}, more: Partial<CommandArgs> = {}) {
  const scene = await Scene.prepare()
  scene.processes.script('/bin/sh', deaf)
  return scene.begin(commandTask('t1', 'deaf', task), more)
}

// ---- start and end

test('it tells of the start, that it runs, and how it ended, each with a uuid of its own', async () => {
  const scene = await Scene.start('sleep 1')
  assert.equal(scene.states, ['TASK_STARTING', 'TASK_RUNNING'])
  const [process] = scene.processes.running()
  await scene.world.advance(1000)
  assert.equal(scene.states, ['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED'])
  for (const { source, uuid, timestamp, task_id } of scene.statuses) {
    assert.is(source, 'SOURCE_EXECUTOR')
    assert.is(task_id.value, 't1')
    assert.is(uuid?.length, 16)
    assert.ok(timestamp! * 1000 >= scene.world.clock.now() - 1000)
  }
  const uuids = scene.statuses.map(({ uuid }) => Buffer.from(uuid!).toString('hex'))
  assert.is(new Set(uuids).size, 3)
  const container = { container_id: { value: 'c1' }, executor_pid: process?.pid }
  assert.equal(scene.last?.container_status, container)
  await scene.world.stop()
})

test('exit statuses and signals say how a task ended', async () => {
  const cases: ReadonlyArray<readonly [string, TaskState, string, number]> = [
    ['true', 'TASK_FINISHED', 'Command exited with status 0', 0],
    ['exit 3', 'TASK_FAILED', 'Command exited with status 3', 3],
    ['no-such-program', 'TASK_FAILED', 'Command exited with status 127', 127],
    // A shell cannot tell this from death by signal 9, and neither can its agent.
    ['exit 137', 'TASK_FAILED', 'Command terminated by signal 9', 137],
  ]
  for (const [command, state, message, status] of cases) {
    const scene = await Scene.start(command)
    await scene.world.advance(1)
    assert.equal([scene.last?.state, scene.last?.message], [state, message], command)
    assert.equal(scene.last?.labels, { labels: [{ key: exitStatusLabel, value: `${status}` }] })
    await scene.world.stop()
  }
})

test('a signal from elsewhere is a failure', async () => {
  const scene = await Scene.start('sleep infinity')
  scene.processes.kill(scene.processes.running()[0]!.pid, 'SIGKILL', true)
  await scene.world.settle()
  assert.equal(scene.states.at(-1), 'TASK_FAILED')
  assert.is(scene.last?.message, 'Command terminated by signal 9')
  await scene.world.stop()
})

test('what cannot be started fails, and says why', async () => {
  const scene = await Scene.prepare()
  scene.processes.script('/bin/sh', 'DENIED')
  await scene.begin(commandTask('t1', 'true'))
  assert.equal(scene.states, ['TASK_STARTING', 'TASK_FAILED'])
  assert.is(scene.last?.reason, 'REASON_CONTAINER_LAUNCH_FAILED')
  assert.match(scene.last?.message ?? '', /DENIED/)
  await scene.world.stop()
})

test('a command that says nothing, or asks for secrets, is not tried', async () => {
  const variable = (one: EnvironmentVariable): CommandInfo => ({
    value: 'true',
    environment: { variables: [one] },
  })
  const cases: ReadonlyArray<readonly [CommandInfo, RegExp]> = [
    [{}, /no value/],
    [variable({ name: 'KEY', type: 'SECRET' }), /KEY is a secret/],
    [variable({ name: 'A=B', value: '' }), /names no variable/],
  ]
  for (const [command, message] of cases) {
    const scene = await Scene.prepare()
    await scene.begin(commandTask('t1', '', { command }))
    await scene.world.advance(1)
    assert.equal(scene.states, ['TASK_STARTING', 'TASK_FAILED'])
    assert.is(scene.last?.reason, 'REASON_CONTAINER_LAUNCH_FAILED')
    assert.match(scene.last?.message ?? '', message)
    await scene.world.stop()
  }
})

test('it goes when its last status is durable, and tells the exit status', async () => {
  const scene = await Scene.start('exit 3')
  await scene.world.advance(1)
  await scene.taken(scene.statuses.slice(0, 2))
  assert.equal(scene.agent.take('EXECUTOR_ENDED'), [])
  await scene.taken(scene.statuses.slice(2))
  const [ended] = scene.agent.take('EXECUTOR_ENDED')
  assert.is((ended!.body as { status: number }).status, 3)
  assert.equal(
    [...scene.node.cells()].map(({ id }) => id),
    ['root', 'agent'],
  )
  await scene.world.stop()
})

test('the command’s output is in the sandbox, and it leads a process group of its own', async () => {
  const scene = await Scene.start('echo hello; sleep infinity')
  const output = await scene.world.run(scene.world.ports('a').disk.readFile(`${SANDBOX}/stdout`))
  assert.is(new TextDecoder().decode(output), 'hello\n')
  const [process] = scene.processes.running()
  assert.is(process?.pgid, process?.pid)
  const { cwd, stderrPath } = process!.options
  assert.equal([cwd, stderrPath], [SANDBOX, `${SANDBOX}/stderr`])
  await scene.world.stop()
})

test('a task is told its place, and nothing of the agent; its own variables win', async () => {
  const scene = await Scene.prepare()
  const variables = [
    { name: 'GREETING', value: 'hello' },
    { name: 'MESOS_SANDBOX', value: '/elsewhere' },
  ]
  const command = { value: 'sleep infinity', environment: { variables } }
  const resources = [
    {
      name: 'cpus',
      type: 'SCALAR',
      scalar: { value: 1 },
      allocation_info: { role: 'eng' },
    } as const,
  ]
  await scene.begin(commandTask('t1', '', { command, resources }))
  const { PATH, ...env } = scene.processes.running()[0]!.options.env ?? {}
  assert.ok(PATH)
  assert.equal(env, {
    MESOS_FRAMEWORK_ID: 'F1',
    MESOS_EXECUTOR_ID: 't1',
    MESOS_TASK_ID: 't1',
    MESOS_SLAVE_ID: 'A1',
    MESOS_DIRECTORY: SANDBOX,
    MESOS_SANDBOX: '/elsewhere',
    MESOS_CHECKPOINT: '1',
    MESOS_RECOVERY_TIMEOUT: '15mins',
    MESOS_SUBSCRIPTION_BACKOFF_MAX: '2secs',
    MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD: '5secs',
    MESOS_HTTP_COMMAND_EXECUTOR: '0',
    MESOS_ALLOCATION_ROLE: 'eng',
    GREETING: 'hello',
  })
  await scene.world.stop()
})

test('a task that does not outlive its agent is not told how long to wait for it', async () => {
  const framework = { ...testFramework, checkpoint: false }
  const scene = await Scene.start('sleep infinity', { place: { ...place, framework } })
  const env = scene.processes.running()[0]?.options.env
  assert.is(env?.MESOS_CHECKPOINT, '0')
  assert.is(env?.MESOS_RECOVERY_TIMEOUT, undefined)
  await scene.world.stop()
})

// ---- killing

test('a kill is SIGTERM, and SIGKILL to the whole group when the grace period is over', async () => {
  const scene = await Scene.prepare()
  scene.processes.script('/bin/sh', { ...deaf, forks: [deaf] })
  await scene.begin(commandTask('t1', 'family'))
  assert.is(scene.processes.running().length, 2)
  await scene.kill()
  assert.is(await scene.lifetime(), 3000)
  await scene.world.settle()
  assert.equal(scene.states.slice(2), ['TASK_KILLING', 'TASK_KILLED'])
  assert.is(scene.last?.message, 'Command terminated by signal 9')
  await scene.world.stop()
})

test('a command that heeds SIGTERM is killed, however it exits', async () => {
  const scene = await Scene.prepare()
  scene.processes.script('/bin/sh', { onTerminate: { afterMs: 500, exitCode: 0 } })
  await scene.begin(commandTask('t1', 'polite'))
  await scene.kill()
  assert.is(await scene.lifetime(), 500)
  await scene.world.settle()
  assert.is(scene.last?.state, 'TASK_KILLED')
  assert.is(scene.last?.message, 'Command exited with status 0')
  await scene.world.stop()
})

test('the grace period is the kill’s, else the task’s; a later kill may only shorten it', async () => {
  const own = await withDeaf(graced(7))
  await own.kill()
  assert.is(await own.lifetime(), 7000)
  await own.world.stop()
  const given = await withDeaf(graced(7))
  await given.kill(2000)
  assert.is(await given.lifetime(), 2000)
  await given.world.stop()
  const shortened = await withDeaf(graced(60))
  await shortened.kill()
  await shortened.kill(90_000)
  await shortened.world.advance(4000)
  await shortened.kill(9000)
  assert.is(await shortened.lifetime(), 5000)
  await shortened.world.stop()
  const past = await withDeaf(graced(60))
  await past.kill()
  await past.world.advance(4000)
  await past.kill(1000)
  assert.is(await past.lifetime(), 0)
  await past.world.stop()
})

test('TASK_KILLING is for frameworks that know it', async () => {
  const { capabilities: _, ...framework } = testFramework
  const unaware = await withDeaf({}, { place: { ...place, framework } })
  await unaware.kill()
  await unaware.lifetime()
  await unaware.world.settle()
  assert.equal(unaware.states, ['TASK_STARTING', 'TASK_RUNNING', 'TASK_KILLED'])
  await unaware.world.stop()
})

test('a kill that comes before the command has begun ends it as soon as it has', async () => {
  const scene = await Scene.prepare()
  const { disk } = scene.world.ports('a')
  disk.setFaults({ latencyMs: () => 200 })
  await scene.begin(commandTask('t1', 'sleep infinity'))
  assert.equal(scene.states, ['TASK_STARTING'])
  await scene.kill()
  await scene.world.advance(10_000)
  assert.equal(scene.states.slice(1), ['TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED'])
  assert.equal(scene.processes.running(), [])
  await scene.world.stop()
})

test('a task that takes too long is killed without grace, and has failed', async () => {
  const scene = await withDeaf({ max_completion_time: { nanoseconds: 10e9 } })
  assert.is(await scene.lifetime(), 10_000)
  await scene.world.settle()
  assert.equal(scene.states.slice(1), ['TASK_RUNNING', 'TASK_FAILED'])
  assert.is(scene.last?.reason, 'REASON_MAX_COMPLETION_TIME_REACHED')
  await scene.world.stop()
  const killed = await withDeaf({ max_completion_time: { nanoseconds: 10e9 }, ...graced(60) })
  await killed.kill()
  assert.is(await killed.lifetime(), 10_000)
  await killed.world.settle()
  assert.is(killed.last?.state, 'TASK_KILLED')
  await killed.world.stop()
})

test('the end of the executor is a kill, with the task’s grace period or the limit that is given', async () => {
  for (const [task, limitMs, expected] of [
    [{}, undefined, 3000],
    [graced(8), undefined, 8000],
    [graced(8), 2000, 2000],
    [graced(1), 2000, 1000],
  ] as const) {
    const scene = await withDeaf(task)
    await scene.end(limitMs)
    assert.is(await scene.lifetime(), expected)
    await scene.world.settle()
    assert.is(scene.last?.state, 'TASK_KILLED')
    await scene.world.stop()
  }
})

// ---- the crash of the actor

test('if its actor crashes the command is killed, and the agent says that the task failed', async () => {
  const lab = await AgentLab.start()
  await lab.run([commandTask('t1', 'sleep infinity'), commandTask('t2', 'sleep infinity')])
  const cells = [...lab.agent.cells()].filter(({ id }) => id.startsWith('executor-'))
  lab.agent.call(cells[0]!, () => {
    throw new Error('a fault')
  })
  await lab.world.advance(1000)
  assert.equal(lab.outcome('t1'), ['TASK_FAILED', 'REASON_EXECUTOR_TERMINATED'])
  assert.match(lab.master.lastStatus('t1')?.message ?? '', /a fault/)
  assert.is(lab.alive.length, 1)
  assert.is(lab.outcome('t2')[0], 'TASK_RUNNING')
  await lab.restart()
  assert.equal(
    lab.report().tasks.map(({ task_id }) => task_id.value),
    ['t2'],
  )
  await lab.world.stop()
})

test.run()
