/** Agents are asked for before their maintenance: frameworks with the SDK answer, on real processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import type { InverseOffer } from '../../protocol/v1/offer.ts'
import { connectScheduler, TaskRun } from '../../src/framework/index.ts'
import { clusterFor, userEnvironment } from '../support/cluster.ts'
import { meseta } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('inverse offers')
const slow = { timeoutMs: 120_000 }
const cluster = clusterFor(test, {
  agents: 2,
  // What the framework prints is compared line by line: no status is to come twice for being answered late.
  agentFlags: { 'update-retry-min-ms': 60_000, 'update-retry-max-ms': 60_000 },
})
const root = resolve(import.meta.dirname, '..', '..')

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await meseta(args, { MESETA_NATS_URL: cluster().natsUrl })
  assert.is(code, 0, `meseta ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** Accepted and declined, of a machine in the schedule. */
async function answers(host: string): Promise<string | undefined> {
  const listed = await done('maintenance', 'status')
  return new RegExp(`^${host} .* (\\d+ +\\d+)$`, 'm').exec(listed)?.[1]
}

test('a framework moves its task before the maintenance of its agent', slow, async () => {
  const args = ['--import', 'tsx', 'examples/moving-framework.ts', cluster().natsUrl]
  const child = spawn(process.execPath, args, { cwd: root, env: userEnvironment() })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const exited = once(child, 'exit')
  try {
    const running = /^service-1 TASK_RUNNING on (agent-\d)$/m
    await until(() => running.test(output), { what: 'the service', timeoutMs: 30_000 })
    const [, first = ''] = running.exec(output) ?? []
    await done('maintenance', 'schedule', first, '--in', '1h', '--for', '30m')
    assert.equal((await exited)[0], 0, output)
    const second = first === 'agent-1' ? 'agent-2' : 'agent-1'
    const moves = output.split('\n').filter((line) => / TASK_(?:RUNNING|KILLED) /.test(line))
    assert.equal(moves, [
      `service-1 TASK_RUNNING on ${first}`,
      `service-1 TASK_KILLED on ${first}`,
      `service-2 TASK_RUNNING on ${second}`,
    ])
    await done('maintenance', 'cancel', first)
  } finally {
    child.kill('SIGKILL')
  }
})

test('one that declines is asked again when its filter has ended', slow, async () => {
  const asked: InverseOffer[] = []
  const run = new TaskRun({
    tasks: [{ name: 'stays', command: 'sleep', args: ['sleep', '1000'], cpus: 0.1, mem: 32 }],
  })
  const { driver, ended, close } = await connectScheduler({
    servers: [cluster().natsUrl],
    framework: { name: 'stubborn', user: 'nobody' },
    callbacks: {
      ...run.callbacks,
      inverseOffers(offers, scheduler) {
        asked.push(...offers)
        if (asked.length === 1) scheduler.declineInverse(offers, { refuse_seconds: 0.2 })
        else scheduler.acceptInverse(offers)
      },
    },
  })
  try {
    await until(() => run.progress[0]?.state === 'TASK_RUNNING', { what: 'the task' })
    const host = run.progress[0]?.hostname ?? ''
    await done('maintenance', 'schedule', host, '--in', '1h', '--for', '30m')
    await until(() => asked.length === 2, { what: 'both inverse offers' })
    const [first, second] = asked
    assert.is(first?.agent_id?.value, run.progress[0]?.agentId)
    assert.equal(first?.unavailability.duration, { nanoseconds: 30 * 60 * 1e9 })
    assert.is.not(first?.id.value, second?.id.value)
    await until(async () => (await answers(host)) === '1         0', { what: 'its last word' })
    assert.is(run.progress[0]?.state, 'TASK_RUNNING', 'nobody takes the agent from it')
    await done('maintenance', 'cancel', host)
  } finally {
    driver.teardown()
    await ended
    await close()
  }
})

test.run()
