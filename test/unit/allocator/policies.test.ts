/** Policies by name and by module. Spec: allocator.md §4. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { loadPolicy } from '../../../actors/allocator/index.ts'
import { books } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'

const test = suite('allocator policies')

async function moduleOf(source: string): Promise<string> {
  const path = join(temporaryDirectory('policy'), 'policy.mjs')
  await writeFile(path, source)
  return pathToFileURL(path).href
}

async function refusalOf(name: string): Promise<string> {
  const outcome = await loadPolicy(name).catch((error: unknown) => error)
  assert.instance(outcome, Error)
  return (outcome as Error).message
}

test('the built-in ones go by their names', async () => {
  for (const name of ['drf', 'priority', 'random']) assert.is((await loadPolicy(name)).name, name)
})

test('a module gives one of its own', async () => {
  const name = await moduleOf(
    "export default { name: 'mine', order: 'ranked', rank: (share, weight) => share * weight }",
  )
  const policy = await loadPolicy(name)
  assert.ok(policy.order === 'ranked' && policy.rank(2, 3) === 6)
})

test('a module that is not one is refused with what it should be', async () => {
  for (const source of [
    'export const policy = 1',
    "export default { name: 'x', order: 'ranked' }",
    "export default { name: 'x', order: 'other', rank: () => 0 }",
    "export default { order: 'drawn' }",
    "export default { name: 'x', order: 'ranked', rank: () => 0, tie: 1 }",
  ]) {
    const name = await moduleOf(source)
    const message = await refusalOf(name)
    assert.match(message, name)
    assert.match(message, 'default export must be')
  }
})

test('the policy of the guide serves those it puts first, then everybody by weighted shares', async () => {
  const guide = resolve(import.meta.dirname, '..', '..', '..', 'docs', 'allocation.md')
  const [, source = ''] = /^```js\n(.*?)^```/ms.exec(readFileSync(guide, 'utf8')) ?? []
  const policy = await loadPolicy(await moduleOf(source))
  const b = books({ policy })
  b.cluster.roles.setWeight('night', 10)
  b.framework('day', ['day'])
  b.framework('night', ['night'])
  for (let i = 0; i < 22; i++) b.agent(`a${i}`, 'cpus:1;mem:64')
  const order = b.run().map(({ framework_id }) => framework_id)
  assert.equal(order.slice(0, 3), ['night', 'night', 'night'], 'two of 22 are less than a tenth')
  assert.equal(order.slice(3, 4), ['day'], 'who has none comes before who has a tenth')
  assert.is(order.filter((framework) => framework === 'night').length, 20)
})

test('a module that is not there is refused', async () => {
  assert.match(await refusalOf('/nowhere/policy.mjs'), '/nowhere/policy.mjs')
})

test.run()
