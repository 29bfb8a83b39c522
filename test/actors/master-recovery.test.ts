/** A master that may not recover the registry. Spec: master.md §2, replicated-log.md §11. */
import Value from 'typebox/value'
import { log } from '../../actors/log/index.ts'
import masterModule, { type MasterOptions } from '../../actors/master/index.ts'
import { encode } from '../../protocol/codec.ts'
import { Append, Elect } from '../../protocol/log.ts'
import { type ExitReason, pid } from '../../src/runtime/index.ts'
import { type World, world } from '../support/nodes.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: recovery')
const WRITER = pid('log-writer', 'm')

/** Leaves a registry that a master of a later version wrote. */
async function writeRegistry(w: World, changes: unknown[][]): Promise<void> {
  const children = [log({ path: '/m/log', node: 'm', replicas: ['m'] })]
  const node = await w.start('m', { children })
  const probe = await w.probe(node)
  for (let i = 0; i < 50; i++) {
    const elected = await probe.ask(WRITER, Elect, {})
    if (!elected.ok) continue
    const { epoch } = elected.value
    const written = await probe.ask(WRITER, Append, { epoch, data: encode({ epoch, changes }) })
    assert.ok(written.ok)
    await w.crash(node)
    return
  }
  throw new Error('the log has no writer')
}

test('a master without a capability that the registry needs says so and its node ends', async () => {
  const w = world()
  await writeRegistry(w, [['capabilities', 'MOON_PHASES', true]])
  const options = Value.Default(masterModule.options, { work_dir: '/m' }) as MasterOptions
  const context = { ports: w.ports('m'), cluster: 'meseta', node: 'm' }
  let failed: ExitReason | undefined
  await w.start('m', {
    children: await masterModule.children(options, context),
    onFailure(reason) {
      failed = reason
    },
  })
  await w.until(() => failed !== undefined, 120_000)
  const told = w
    .troubles('m')
    .map((line) => JSON.stringify(line))
    .join()
  assert.match(
    told,
    'MISSING_CAPABILITY: The registry may be recovered by masters with the capability',
  )
  assert.match(told, 'MOON_PHASES')
  assert.match(told, 'Start masters of the version that wrote it.')
  await w.stop()
})

test.run()
