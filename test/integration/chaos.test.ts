import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Plan } from '../support/chaos-framework.ts'
import { clusterFor, userEnvironment } from '../support/cluster.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('chaos')
const cluster = clusterFor(test, {
  agents: 3,
  resources: 'cpus:2;mem:2048',
  // An agent that takes long to start again is not to be given up: its tasks would be lost, and come back.
  masterFlags: { 'agent-ping-timeout-ms': 15_000, 'lease-ms': 2000 },
})
const scratch = temporaryDirectory('chaos')
const program = resolve(import.meta.dirname, '..', 'support', 'chaos-framework.ts')
const tasks = Array.from({ length: 300 }, (_, index) => `t${index}`)
const ran = join(scratch, 'ran')
const journal = join(scratch, 'journal')
const planFile = join(scratch, 'plan.json')

const lines = (path: string) =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []
/**
 * The terminal states that were told of each task. A master's answer about a task that it does not know
 * (any more) has no uuid: it counts where no update has told of an end, as in states.md §7.
 */
function endings(): Map<string, Set<string>> {
  const updates = new Map<string, Set<string>>()
  const answers = new Map<string, Set<string>>()
  for (const line of lines(journal)) {
    const [state = '', id = '', uuid = ''] = line.split(' ')
    if (state === 'launched') continue
    const seen = uuid === '-' ? answers : updates
    seen.set(id, (seen.get(id) ?? new Set()).add(state))
  }
  return new Map([...answers, ...updates])
}

let framework: ChildProcess | undefined
let output = ''

function startFramework(): void {
  framework = spawn(process.execPath, ['--import', 'tsx', program, planFile], {
    env: userEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [framework.stdout, framework.stderr]) {
    stream?.on('data', (chunk) => {
      output += chunk
    })
  }
}

async function killFramework(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  const child = framework
  framework = undefined
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await gone
}

test.after(() => killFramework())

async function progress(launched: number, ended: number): Promise<void> {
  const count = () => lines(journal).filter((line) => line.startsWith('launched')).length
  await until(() => count() >= launched && endings().size >= ended, {
    what: `${launched} launched and ${ended} ended (${count()}, ${endings().size})`,
    timeoutMs: 90_000,
  })
}

test('whoever is killed while 300 tasks run, each ends once and runs at most once', {
  timeoutMs: 240_000,
}, async () => {
  const plan: Plan = {
    servers: [cluster().natsUrl],
    frameworkId: 'chaos',
    tasks,
    command: `echo $TASK >> ${ran}; sleep 0.2`,
    journal,
  }
  writeFileSync(planFile, JSON.stringify(plan))
  const story: string[] = []
  const began = performance.now()
  const tell = (what: string) =>
    story.push(`${Math.round(performance.now() - began)} ms, ${endings().size} ended: ${what}`)
  try {
    startFramework()
    await progress(20, 10)
    for (const name of ['agent-1', 'nats-server', 'master']) {
      tell(`kill ${name}`)
      await cluster().kill(name)
      await cluster().start(name)
      tell(`${name} is up`)
      const so = endings().size
      await progress(0, Math.min(so + 20, tasks.length))
    }
    tell('kill the framework')
    await killFramework()
    startFramework()
    await progress(tasks.length, tasks.length)
    tell('all have ended')

    for (const [id, states] of endings()) assert.is(states.size, 1, `${id}: ${[...states]}`)
    const runs = lines(ran)
    assert.equal(
      runs.filter((id, index) => runs.indexOf(id) !== index),
      [],
      'ran twice',
    )
    // Whatever is told to have finished did run.
    const finished = [...endings()].filter(([, states]) => states.has('TASK_FINISHED'))
    assert.equal(
      finished.map(([id]) => id).filter((id) => !runs.includes(id)),
      [],
    )
    // The faults may cost launches that were under way, never most of the work.
    assert.ok(finished.length > 200, `only ${finished.length} finished`)
    await killFramework('SIGUSR2')
  } catch (error) {
    const missing = tasks.filter((id) => !endings().has(id))
    process.stdout.write(
      [
        ...story,
        `without an end: ${missing}; ran: ${missing.filter((id) => lines(ran).includes(id))}`,
        `others than finished:`,
        ...lines(journal).filter((line) => !/^(launched|TASK_FINISHED)/.test(line)),
        output.slice(-3000),
        cluster().tails(),
        '',
      ].join('\n'),
    )
    throw error
  }
})

test.run()
