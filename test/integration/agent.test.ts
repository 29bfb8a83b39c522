/** An agent process on a real broker, with real commands: what holds when it is killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'nats'
import { killProcessesIn } from '../../src/cli/up/leftovers.ts'
import { type Node, startNode } from '../../src/runtime/index.ts'
import { systemPorts } from '../../src/runtime/ports/index.ts'
import { natsTransport } from '../../src/transport/nats.ts'
import { natsServerFor } from '../support/nats.ts'
import { commandTask, type ScriptedMaster, scriptedMaster } from '../support/scripted-master.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('agent on real parts')
const broker = natsServerFor(test)
const root = join(import.meta.dirname, '../..')

interface World {
  readonly master: ScriptedMaster
  readonly node: Node
  readonly workDir: string
  /** Starts the agent (again) and resolves when it has registered. */
  start(): Promise<void>
  /** kill -9 */
  kill(): Promise<void>
  /** SIGTERM; returns its exit code. */
  stop(): Promise<number | null>
  run(id: string, command: string): void
  ends(id: string): Promise<void>
}

const terminal = /FINISHED|FAILED|KILLED|LOST|DROPPED|GONE|ERROR/
const processes: ChildProcess[] = []
const workDirs: string[] = []
const nodes: Node[] = []
let worlds = 0

/** Each test has a cluster of its own on the one broker: the node's names differ, the leader does not. */
async function world(options: object = {}): Promise<World> {
  await endAll()
  const number = ++worlds
  const master = scriptedMaster()
  const transport = natsTransport({ servers: [broker().url] })
  const ports = systemPorts({ transport, log: { level: 'fatal' } })
  const node = await startNode({ name: `master-${number}`, ports, children: [master.spec] })
  nodes.push(node)
  const workDir = temporaryDirectory('agent')
  workDirs.push(workDir)
  let agent: ChildProcess | undefined
  async function end(signal: NodeJS.Signals): Promise<number | null> {
    if (agent === undefined) throw new Error('the agent does not run')
    const exited = once(agent, 'exit')
    agent.kill(signal)
    await exited
    return agent.exitCode
  }
  return {
    master,
    node,
    workDir,
    async start() {
      master.agents.clear()
      agent = startAgent(`agent-${number}`, { work_dir: workDir, ...options })
      await until(() => master.agents.size === 1, { what: 'the agent to register' })
    },
    async kill() {
      await end('SIGKILL')
    },
    stop: () => end('SIGTERM'),
    run: (id, command) => master.run(node, [commandTask(id, command)]),
    ends: async (id) => {
      await until(() => master.statusesOf(id).some((state) => terminal.test(state)), {
        what: `the end of ${id}`,
      })
    },
  }
}

function startAgent(name: string, options: object): ChildProcess {
  const script = join(root, 'test/support/agent-node.ts')
  const settings = {
    registration_backoff_ms: 20,
    hostname: 'test',
    resources: 'cpus:4;mem:1024;disk:1024',
    ...options,
  }
  const args = ['--import', 'tsx', '--conditions=development', script]
  const child = spawn(process.execPath, [...args, broker().url, name, JSON.stringify(settings)], {
    cwd: root,
    stdio: ['ignore', 'ignore', process.env.LOG ? 'inherit' : 'pipe'],
  })
  processes.push(child)
  return child
}

async function endAll(): Promise<void> {
  for (const child of processes.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
  }
  // Tasks and executors outlive their agent, as they should.
  for (const workDir of workDirs.splice(0)) killProcessesIn(workDir)
  for (const node of nodes.splice(0)) await node.stop()
}

test.after(endAll)

function sandbox(workDir: string, task: string): string {
  return join(workDir, 'slaves/A1/frameworks/F1/executors', task, 'runs/latest')
}

function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/\) [ZX]/.test(stat)
  } catch {
    return false
  }
}

async function pidIn(path: string): Promise<number> {
  return until(() => Number.parseInt(readFileSync(path, 'utf8'), 10), { what: path })
}

test('a command runs, its output is kept, and its exit status tells how it ended', async () => {
  const { master, start, run, ends, workDir } = await world()
  await start()
  run('good', 'echo hello; echo trouble >&2')
  run('bad', 'exit 3')
  run('shot', 'kill -9 $$')
  run('missing', 'no-such-program-here')
  for (const id of ['good', 'bad', 'shot', 'missing']) await ends(id)
  assert.equal(master.statusesOf('good'), ['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED'])
  assert.is(readFileSync(join(sandbox(workDir, 'good'), 'stdout'), 'utf8'), 'hello\n')
  assert.is(readFileSync(join(sandbox(workDir, 'good'), 'stderr'), 'utf8'), 'trouble\n')
  assert.is(master.lastStatus('bad')?.state, 'TASK_FAILED')
  assert.is(master.lastStatus('bad')?.message, 'Command exited with status 3')
  assert.is(master.lastStatus('shot')?.message, 'Command terminated by signal 9')
  assert.is(master.lastStatus('missing')?.message, 'Command exited with status 127')
})

test('a task sees its place and its own variables, and nothing of the agent', async () => {
  const { master, node, start, ends, workDir } = await world()
  await start()
  const variables = [{ name: 'GREETING', value: "it's me" }]
  const command = { value: 'env; pwd', environment: { variables } }
  master.run(node, [commandTask('env', '', { command })])
  await ends('env')
  const lines = readFileSync(join(sandbox(workDir, 'env'), 'stdout'), 'utf8').split('\n')
  for (const line of [
    "GREETING=it's me",
    'MESOS_TASK_ID=env',
    'MESOS_FRAMEWORK_ID=F1',
    'MESOS_SLAVE_ID=A1',
  ]) {
    assert.ok(lines.includes(line), line)
  }
  const directory = lines.find((line) => line.startsWith('MESOS_DIRECTORY='))?.slice(16)
  assert.is(lines.at(-2), directory)
  assert.not(lines.some((line) => /^(HOME|USER|NODE|npm)/.test(line)))
})

test('a kill reaches the whole process group: SIGTERM, after the grace period SIGKILL', async () => {
  const { master, node, start, run, ends, workDir } = await world()
  await start()
  run('deaf', 'trap "" TERM; sleep 1000 & echo $! >pid; while :; do wait; done')
  const child = await pidIn(join(sandbox(workDir, 'deaf'), 'pid'))
  master.kill(node, 'deaf', 200)
  await ends('deaf')
  assert.equal(master.statusesOf('deaf').slice(-2), ['TASK_KILLING', 'TASK_KILLED'])
  await until(() => !alive(child), { what: 'the end of the child' })
  run('polite', 'trap "echo bye; exit 0" TERM; echo $$ >pid; while :; do sleep 0.05; done')
  await pidIn(join(sandbox(workDir, 'polite'), 'pid'))
  master.kill(node, 'polite', 10_000)
  await ends('polite')
  assert.is(master.lastStatus('polite')?.state, 'TASK_KILLED')
  assert.is(readFileSync(join(sandbox(workDir, 'polite'), 'stdout'), 'utf8'), 'bye\n')
})

test('what a command leaves running in its group ends with the task', async () => {
  const { start, run, ends, workDir } = await world()
  await start()
  run('parent', 'sleep 1000 & echo $! >pid')
  await ends('parent')
  const child = await pidIn(join(sandbox(workDir, 'parent'), 'pid'))
  await until(() => !alive(child), { what: 'the end of what was left' })
})

test('kill -9 of the agent: tasks never notice, and their exit codes arrive', async () => {
  const { master, start, kill, run, ends, workDir } = await world()
  await start()
  run('before', 'while [ ! -e go ]; do sleep 0.02; done; echo done; exit 4')
  run('after', 'while [ ! -e go ]; do sleep 0.02; done; echo done; exit 5')
  for (const id of ['before', 'after']) {
    await until(() => master.statusesOf(id).includes('TASK_RUNNING'), { what: `${id} to run` })
  }
  await kill()
  // One ends while nobody watches.
  writeFileSync(join(sandbox(workDir, 'before'), 'go'), '')
  await until(() => readFileSync(join(sandbox(workDir, 'before'), 'stdout'), 'utf8') === 'done\n', {
    what: 'the end of the first command',
  })
  await start()
  await ends('before')
  writeFileSync(join(sandbox(workDir, 'after'), 'go'), '')
  await ends('after')
  assert.is(master.lastStatus('before')?.message, 'Command exited with status 4')
  assert.is(master.lastStatus('after')?.message, 'Command exited with status 5')
  // An acknowledgement that was not durable when the agent was killed makes its status come again.
  const states = master.statusesOf('after').filter((state, at, all) => state !== all[at - 1])
  assert.equal(states, ['TASK_STARTING', 'TASK_RUNNING', 'TASK_FAILED'])
  const again = master.heard.findLast(({ type }) => type === 'REREGISTER_AGENT')
  const { tasks } = again!.body as { tasks: Array<{ task_id: { value: string } }> }
  assert.ok(tasks.some(({ task_id }) => task_id.value === 'after'))
})

test('a burst under kill -9: every task starts at most once and ends exactly once', {
  timeoutMs: 60_000,
}, async () => {
  const { master, node, start, kill, ends, workDir } = await world()
  await start()
  const ids = Array.from({ length: 40 }, (_, index) => `burst-${index}`)
  const log = join(workDir, 'starts')
  master.run(
    node,
    ids.map((id) => commandTask(id, `echo ${id} >>${log}; sleep 0.2`)),
  )
  const started = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [])
  await until(() => started().length >= 5, { what: 'some of them to run' })
  await kill()
  await start()
  // The master would reconcile what the agent never checkpointed; here it says which it misses.
  const heard = master.heard.findLast(({ type }) => type === 'REREGISTER_AGENT')?.body
  const known = new Set(
    (heard as { tasks: Array<{ task_id: { value: string } }> }).tasks.map(
      (task) => task.task_id.value,
    ),
  )
  for (const id of ids) {
    if (known.has(id) || master.statusesOf(id).length > 0) await ends(id)
  }
  for (const id of ids) {
    const own = master.updates.filter(({ status }) => status.task_id.value === id)
    const ended = own.filter(({ status }) => terminal.test(status.state))
    // A status may come again, with the uuid that it had.
    const distinct = new Set(
      ended.map(({ status }) => Buffer.from(status.uuid ?? []).toString('hex')),
    )
    assert.ok(distinct.size <= 1, `${id} ended ${distinct.size} times`)
  }
  const starts = started()
  assert.is(new Set(starts).size, starts.length)
})

/** That of examples/custom-executor.ts, and tasks for it, which last so many ms. */
function exampleExecutor() {
  const program = `exec ${process.execPath} --import ${join(root, 'node_modules/tsx/dist/loader.mjs')} ${join(root, 'examples/custom-executor.ts')}`
  const executor = { executor_id: { value: 'many' }, command: { value: program } }
  const task = (id: string, ms: number) => {
    const { command: _, ...rest } = commandTask(id, '')
    return { ...rest, executor, data: new TextEncoder().encode(String(ms)) }
  }
  return { executor, task }
}

test('told to end its tasks when it is stopped, the agent goes when they are known to be killed', async () => {
  const { master, node, start, stop, run } = await world({ kill_tasks_on_stop: true })
  await start()
  run('polite', 'sleep 1000')
  run('deaf', 'trap "" TERM; while :; do sleep 0.05; done')
  const { executor, task } = exampleExecutor()
  master.run(node, [task('counts', 1_000_000)], { executor })
  const ids = ['polite', 'deaf', 'counts']
  for (const id of ids) {
    await until(() => master.statusesOf(id).includes('TASK_RUNNING'), { what: `${id} to run` })
  }
  assert.is(await stop(), 0)
  for (const id of ids) assert.is(master.lastStatus(id)?.state, 'TASK_KILLED', id)
  await start()
  const again = master.heard.findLast(({ type }) => type === 'REREGISTER_AGENT')
  assert.equal((again!.body as { tasks: unknown[] }).tasks, [])
})

test('a custom executor runs several tasks in one process and outlives its agent', async () => {
  const { master, node, start, kill, ends } = await world()
  await start()
  const { executor, task } = exampleExecutor()
  master.run(node, [task('one', 50), task('two', 50)], { executor })
  await ends('one')
  await ends('two')
  master.run(node, [task('three', 60_000), task('four', 60_000)], {
    executor,
    launch_executor: false,
    group: true,
  })
  for (const id of ['three', 'four']) {
    await until(() => master.statusesOf(id).includes('TASK_RUNNING'), { what: `${id} to run` })
  }
  master.kill(node, 'three')
  await ends('three')
  assert.is(master.lastStatus('three')?.state, 'TASK_KILLED')
  await kill()
  await start()
  // A command that meets the agent between two registrations is dropped; a real master repeats it.
  const killed = () => {
    master.kill(node, 'four')
    return master.statusesOf('four').includes('TASK_KILLED')
  }
  await until(killed, { what: 'the end of four', intervalMs: 200 })
  assert.equal([...new Set(master.statusesOf('four'))], ['TASK_RUNNING', 'TASK_KILLED'])
})

test('operators list and read the files of a sandbox, in JSON', async () => {
  const { start, run, ends, workDir } = await world()
  await start()
  run('files', 'echo 0123456789; ln -s /etc/passwd out; ln -s stdout in')
  await ends('files')
  const client = await connect({ servers: broker().url })
  const ask = async (call: object) =>
    (await client.request('meseta.agent.A1.call', JSON.stringify(call))).json() as Record<
      string,
      // biome-ignore lint/suspicious/noExplicitAny: the test looks into documents as a script would
      any
    >
  const path = sandbox(workDir, 'files')
  const listed = await ask({ type: 'LIST_FILES', list_files: { path } })
  const names = listed.list_files.file_infos.map((info: { path: string }) =>
    info.path.split('/').at(-1),
  )
  assert.equal(names, ['in', 'out', 'stderr', 'stdout'])
  const read = (file: string) =>
    ask({ type: 'READ_FILE', read_file: { path: `${path}/${file}`, offset: 3, length: 4 } })
  const part = await read('in')
  assert.is(part.read_file.size, 11)
  assert.is(Buffer.from(part.read_file.data, 'base64').toString(), '3456')
  assert.is((await read('out')).error.code, 'NOT_FOUND')
  assert.is((await read('../../../../../../../../../../etc/passwd')).error.code, 'NOT_FOUND')
  const state = await ask({ type: 'GET_STATE' })
  assert.is(state.get_state.get_tasks.completed_tasks.length, 1)
  await client.close()
})

test('a second agent on the same work directory is refused in one sentence', async () => {
  const { start, workDir } = await world()
  await start()
  const second = startAgent('second', { work_dir: workDir })
  let words = ''
  second.stderr?.on('data', (data) => {
    words += data
  })
  await new Promise((resolve) => second.once('close', resolve))
  assert.is(second.exitCode, 1)
  assert.match(words, `another agent uses the work directory ${workDir}`)
})

test.run()
