/** Maintenance through the command: a machine is taken down and comes back. */
import { clusterFor } from '../support/cluster.ts'
import { meseta } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('maintenance')
const slow = { timeoutMs: 180_000 }
const cluster = clusterFor(test)

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await meseta(args, { MESETA_NATS_URL: cluster().natsUrl })
  assert.is(code, 0, `meseta ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

test('a machine is planned, taken down, and may be used again', slow, async () => {
  assert.match(await done('maintenance', 'status'), /^No maintenance is planned/)
  await done('maintenance', 'schedule', 'agent-1', 'other', '--in', '1h', '--for', '30m')
  assert.match(await done('maintenance', 'status'), /^agent-1 +draining /m)
  await done('maintenance', 'cancel', 'other')
  assert.is(await done('maintenance', 'status', '-o', 'name'), 'agent-1\n')

  await done('maintenance', 'start', 'AGENT-1', '--yes')
  assert.match(await done('maintenance', 'status'), /^agent-1 +down /m)
  await cluster().agentsActive(0)
  await until(
    () => /down for maintenance|maintenance of its machine/.test(cluster().log('agent-1')),
    {
      what: 'the agent to be told why',
    },
  )

  await done('maintenance', 'stop', 'agent-1')
  assert.match(await done('maintenance', 'status'), /^No maintenance is planned/)
  assert.match(await cluster().ended('agent-1'), /^exit \d/)
  await cluster().start('agent-1')
  await cluster().agentsActive(1)
  assert.is(await done('run', '--', 'echo', 'back'), 'back\n')
})

test.run()
