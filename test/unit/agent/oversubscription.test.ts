/** What is lent to revocable tasks, and who gives it back. Spec: agent.md §10. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Value from 'typebox/value'
import {
  fixedEstimator,
  loadEstimator,
  noopEstimator,
  usageEstimator,
} from '../../../actors/agent/estimators.ts'
import { parseLook, usageBetween } from '../../../actors/agent/host-usage.ts'
import { AgentOptions } from '../../../actors/agent/options.ts'
import { loadController, usageController } from '../../../actors/agent/qos.ts'
import type { AgentUsage } from '../../../actors/agent/usage.ts'
import { formatResources, none, parseResources, resources } from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'

const test = suite('agent: oversubscription')
const defaults = Value.Default(AgentOptions, {}) as AgentOptions

function parse(text: string) {
  const parsed = parseResources(text)
  if (!parsed.ok) throw new Error(parsed.error.message)
  return resources(parsed.value)
}

function lent(text: string) {
  return resources(parse(text).map((resource) => ({ ...resource, revocable: {} })))
}

function usage(parts: Partial<AgentUsage>): AgentUsage {
  return {
    total: parse('cpus:10;mem:1000'),
    allocated: none,
    revocable: none,
    host: undefined,
    executors: [],
    ...parts,
  }
}

async function estimate(of: ReturnType<typeof usageEstimator>, parts: Partial<AgentUsage>) {
  return formatResources(resources(await of.estimate(usage(parts))))
}

test('the host tells in ticks how busy it was between two looks', () => {
  const memory = 'MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n'
  const stat = (user: number, idle: number) =>
    `cpu  ${user} 0 10 ${idle} 5 0 0 0 0 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 9\n`
  const before = parseLook(stat(100, 1000), memory)!
  const now = parseLook(stat(150, 1050), memory)!
  assert.equal(usageBetween(before, now), { cpus: 1, memMb: 1 })
  assert.is(usageBetween(now, now), undefined)
  assert.is(parseLook('', memory), undefined)
  assert.is(parseLook(stat(1, 1), ''), undefined)
})

test('the fixed estimator lends the same in all, whatever is lent already', async () => {
  const fixed = fixedEstimator(parse('cpus:2;mem:100'))
  assert.is(await estimate(fixed, {}), 'cpus{REV}:2; mem{REV}:100')
  assert.is(await estimate(fixed, { revocable: lent('cpus:1.5') }), 'cpus{REV}:0.5; mem{REV}:100')
})

test('the usage estimator lends what is held and idle, but for the headroom', async () => {
  const estimator = usageEstimator(0.1)
  const allocated = parse('cpus:8;mem:500')
  const busy = { cpus: 2.25, memMb: 300 }
  assert.is(await estimate(estimator, { allocated, host: busy }), 'cpus{REV}:4.7; mem{REV}:96')
  assert.is(await estimate(estimator, { allocated }), 'nothing')
  assert.is(await estimate(estimator, { host: busy }), 'nothing')
  const all = { allocated, host: { cpus: 10, memMb: 1000 } }
  assert.is(await estimate(estimator, all), 'nothing')
})

test('the usage controller takes from the youngest borrower while the host is busy', () => {
  const executor = (id: string, text: ReturnType<typeof parse>) => ({
    framework_id: 'f',
    executor_id: id,
    container_id: `c-${id}`,
    resources: text,
  })
  const executors = [
    executor('old', lent('cpus:1')),
    executor('young', lent('cpus:1')),
    executor('owner', parse('cpus:1')),
  ]
  const controller = usageController(0.9)
  const at = (cpus: number, memMb: number) =>
    controller.corrections(usage({ executors, host: { cpus, memMb } }))
  assert.equal(at(9, 900), [])
  assert.equal(at(9.1, 0), [executors[1]])
  assert.equal(at(0, 901), [executors[1]])
  assert.equal(controller.corrections(usage({ executors })), [])
})

test('plug-ins are named, or loaded from a module that must be one', async () => {
  const options = (more: Partial<AgentOptions>) => ({ ...defaults, ...more })
  assert.is(await loadEstimator(defaults, none), noopEstimator)
  const directory = temporaryDirectory('plug-ins')
  const own = join(directory, 'own.mjs')
  writeFileSync(own, "export default { name: 'own', estimate: () => [], corrections: () => [] }")
  assert.is((await loadEstimator(options({ resource_estimator: own }), none)).name, 'own')
  assert.is((await loadController(options({ qos_controller: own }))).name, 'own')
  const wrong = join(directory, 'wrong.mjs')
  writeFileSync(wrong, 'export default { name: 1 }')
  for (const load of [
    loadEstimator(options({ resource_estimator: wrong }), none),
    loadController(options({ qos_controller: wrong })),
  ]) {
    await load.then(
      () => assert.unreachable('it is none'),
      (error: Error) => assert.match(error.message, /wrong\.mjs must be \{name, /),
    )
  }
})

test("the guide's own estimator is one", async () => {
  const guide = readFileSync(join(import.meta.dirname, '../../../docs/operating.md'), 'utf8')
  const [, source = ''] = /```js\n(export default \{.*?)```/s.exec(guide) ?? []
  const path = join(temporaryDirectory('guide'), 'night.mjs')
  writeFileSync(path, source)
  const { estimate: night } = await loadEstimator({ ...defaults, resource_estimator: path }, none)
  const [cpus] = await night(usage({ revocable: lent('cpus:2') }))
  assert.equal(cpus, { name: 'cpus', type: 'SCALAR', scalar: { value: 0 }, revocable: {} })
})

test.run()
