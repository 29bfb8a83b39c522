/** What an agent lends, and how it takes it back: through the command, on real processes. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startCluster, type TestCluster } from '../support/cluster.ts'
import { type Ended, meseta, Running } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'

const test = suite('oversubscription')
const directory = temporaryDirectory('controller')
const flag = join(directory, 'wanted-back')
const controller = join(directory, 'controller.mjs')
let cluster: TestCluster

test.before(async () => {
  writeFileSync(
    controller,
    `import { existsSync } from 'node:fs'
    export default {
      name: 'by hand',
      corrections: ({ executors }) =>
        existsSync('${flag}') ? executors.filter((e) => e.resources.some((r) => r.revocable)) : [],
    }`,
  )
  cluster = await startCluster({
    resources: 'cpus:1;mem:1024;disk:100',
    agentFlags: {
      'resource-estimator': 'fixed',
      'oversubscribed-resources': 'cpus:2',
      'qos-controller': controller,
      'oversubscribed-resources-interval-ms': 200,
    },
  })
})

test.after(() => cluster?.stop())

const env = () => ({ MESETA_NATS_URL: cluster.natsUrl })

test('a borrower runs beside an owner of all, and is killed when it is told to go', {
  timeoutMs: 180_000,
}, async () => {
  const owner = new Running(['run', '--cpus', '1', '--', 'sh', '-c', 'echo owns; sleep 600'], env())
  await owner.says(/owns/)
  const borrows = ['run', '--cpus', '2', '--revocable', '--', 'sh', '-c', 'echo borrows; sleep 600']
  const borrower = new Running(borrows, env())
  await borrower.says(/borrows/)
  const { stdout } = await meseta(['agent', 'ls', '-o', 'json'], env())
  const [agent] = JSON.parse(stdout)
  const lent = agent.allocated_resources.filter((each: { revocable?: object }) => each.revocable)
  assert.is(lent[0].scalar.value, 2)
  writeFileSync(flag, '')
  const ended: Ended = await borrower.ended
  assert.match(ended.stderr, /the revocable resources that it used are needed/)
  assert.is(ended.code, 143)
  assert.is(owner.child.exitCode, null)
  owner.child.kill('SIGINT')
  assert.is((await owner.ended).code, 130)
})

test.run()
