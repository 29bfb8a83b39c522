/** Rates of calls, on real processes: who exceeds the capacity is ended, others are served meanwhile. */
import { connectScheduler, TaskRun } from '../../src/framework/index.ts'
import { clusterFor } from '../support/cluster.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('rate limits')
const rates = { limits: [{ principal: 'hasty', qps: 5, capacity: 20 }] }
const slow = { timeoutMs: 120_000 }
const cluster = clusterFor(test, { masterFlags: { 'rate-limits': JSON.stringify(rates) } })

test('a scheduler that exceeds its capacity ends, and says why', slow, async () => {
  const servers = [cluster().natsUrl]
  const hasty = await connectScheduler({
    servers,
    framework: { name: 'hasty', user: 'nobody', principal: 'hasty' },
    callbacks: { subscribed: (_info, driver) => flood(() => driver.revive()) },
  })
  let done = () => {}
  const finished = new Promise<void>((resolve) => {
    done = resolve
  })
  const run = new TaskRun({
    tasks: [{ name: 'calm', command: 'true', cpus: 0.1, mem: 32 }],
    onDone: () => done(),
  })
  const framework = { name: 'calm', user: 'nobody' }
  const calm = await connectScheduler({ servers, framework, callbacks: run.callbacks })
  try {
    const error = await hasty.ended.then(
      () => undefined,
      (reason) => reason,
    )
    assert.is(error?.code, 'RATE_LIMITED')
    assert.match(error.message, /^\d+ calls dropped: capacity\(20\) exceeded$/)
    assert.match(error.advice, '--rate-limits')
    await finished
    assert.is(run.progress[0]?.state, 'TASK_FINISHED')
    assert.match(cluster().log('master'), /calls were dropped/)
  } finally {
    calm.driver.teardown()
    for (const connected of [hasty, calm]) await connected.close()
  }
})

function flood(call: () => void): void {
  for (let n = 0; n < 200; n++) call()
}

test.run()
