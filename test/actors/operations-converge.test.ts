/**
 * Master, allocator and agent together, while operations are under way and each of them may die: in the
 * end all three have the same resources, and volumes are there exactly where they say. Spec:
 * agent.md §15 (6), resources.md §6, master.md §19 (2).
 */
import fc from 'fast-check'
import Value from 'typebox/value'
import agentModule, { type AgentOptions } from '../../actors/agent/index.ts'
import type { OfferOperation, Resource } from '../../protocol/v1/index.ts'
import { formatResources, isPersistentVolume, merge, resources } from '../../src/resources/index.ts'
import type { Node } from '../../src/runtime/index.ts'
import {
  type Document,
  type MasterWorld,
  masterWorld,
  type TestFramework,
} from '../support/master-world.ts'
import {
  create,
  destroy,
  reserve,
  reserved,
  unreserve,
  volume,
  withId,
} from '../support/operations.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('operations converge')
const VOLUMES = '/a/volumes/roles/eng'

/** What may happen next; each is tried on what the framework holds at that time. */
const STEPS = [
  'reserve',
  'unreserve',
  'create',
  'destroy',
  'operator reserves',
  'operator destroys',
  'agent dies',
  'master dies',
  'a message is lost',
  'the way is cut for a while',
  'offers go back',
] as const
type Step = (typeof STEPS)[number]

class Scene {
  readonly m: MasterWorld
  readonly framework: TestFramework
  agent!: Node
  #operations = 0

  static async start(): Promise<Scene> {
    const m = await masterWorld()
    const capabilities = [{ type: 'RESERVATION_REFINEMENT' as const }]
    const framework = await m.framework({ role: 'eng', capabilities, failover_timeout: 1e6 })
    const scene = new Scene(m, framework)
    await scene.startAgent()
    return scene
  }

  private constructor(m: MasterWorld, framework: TestFramework) {
    this.m = m
    this.framework = framework
  }

  async startAgent(): Promise<void> {
    const { world } = this.m
    const ports = world.ports('a')
    const given = { work_dir: '/a', resources: 'cpus:4;mem:64;disk:100;ports:[]', hostname: 'a' }
    const options = Value.Default(agentModule.options, given) as AgentOptions
    const context = { ports, cluster: 'meseta', node: 'a' }
    const children = await world.run(Promise.resolve(agentModule.children(options, context)))
    this.agent = await world.start('a', { children })
  }

  async take(step: Step, amount: number): Promise<void> {
    const id = `v${amount % 3}`
    switch (step) {
      case 'reserve':
        return this.accept(reserve(reserved('disk', amount), reserved('cpus', 0.5)))
      case 'unreserve':
        return this.accept(unreserve(reserved('disk', amount)))
      case 'create':
        return this.accept(reserve(reserved('disk', 10)), create(volume(id, 10)))
      case 'destroy':
        return this.accept(destroy(volume(id, 10)))
      case 'operator reserves':
        return this.operate('RESERVE_RESOURCES', { resources: [reserved('disk', amount)] })
      case 'operator destroys':
        return this.operate('DESTROY_VOLUMES', { volumes: [volume(id, 10)] })
      case 'agent dies':
        await this.m.world.crash(this.agent)
        return this.startAgent()
      case 'master dies':
        await this.m.failOver()
        await this.framework.subscribe()
        return
      case 'a message is lost':
        this.loseNext(amount % 2 === 0 ? 'm' : 'a')
        return
      case 'the way is cut for a while': {
        const cut = this.m.world.broker.partition('m', 'a')
        await this.m.world.advance(amount * 100)
        cut.remove()
        return
      }
      case 'offers go back':
        await this.framework.call('DECLINE', {
          decline: {
            offer_ids: this.framework.offers.map(({ id }) => id),
            filters: { refuse_seconds: 0 },
          },
        })
    }
  }

  /** The next message that one of the two says to the other does not arrive. */
  loseNext(from: string): void {
    const to = from === 'm' ? 'a' : 'm'
    const fault = this.m.world.broker.drop((message) => {
      if (message.from !== from || message.to !== to) return false
      fault.remove()
      return true
    })
  }

  async accept(...operations: OfferOperation[]): Promise<void> {
    const [offer] = this.framework.offers
    if (offer === undefined) return
    const named = operations.map((each) => withId(`op-${++this.#operations}`, each))
    await this.framework.accept(offer, named)
  }

  async operate(type: string, fields: object): Promise<void> {
    const [agent] = await this.agents()
    if (agent === undefined) return
    const { id: agent_id } = agent.agent_info
    await this.m.operate({ type, [type.toLowerCase()]: { agent_id, ...fields } })
  }

  async agents(): Promise<Document[]> {
    return (await this.m.operate({ type: 'GET_AGENTS' })).get_agents.agents
  }

  /** Resources of all offers that are out. */
  offered(): string {
    const all = this.framework.offers.flatMap((offer) => offer.resources as Resource[])
    return text(all)
  }

  async volumes(): Promise<string[]> {
    const { disk } = this.m.world.ports('a')
    const there = await this.m.world.run(disk.stat(VOLUMES))
    return there === undefined ? [] : this.m.world.run(disk.list(VOLUMES))
  }
}

function text(list: readonly Resource[]): string {
  return formatResources(merge(resources(list)))
    .split('; ')
    .sort()
    .join('; ')
}

test('whatever dies, master, allocator and agent have the same resources in the end', {
  timeoutMs: 120_000,
}, async () => {
  const step = fc.record({
    step: fc.constantFrom(...STEPS),
    amount: fc.integer({ min: 1, max: 40 }),
    pauseMs: fc.constantFrom(0, 1, 7, 30, 1200),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
      const scene = await Scene.start()
      const { world } = scene.m
      world.ports('a').disk.setFaults({ latencyMs: () => 5 })
      await world.until(() => scene.framework.offers.length > 0, 20_000)
      for (const { step, amount, pauseMs } of steps) {
        await scene.take(step, amount)
        await world.advance(pauseMs)
      }
      // Long enough for whoever missed a message to notice.
      await world.advance(120_000)
      const [agent] = await scene.agents()
      const total = text(agent.total_resources)
      assert.is(scene.offered(), total, 'offers hold what the master thinks that there is')
      const volumes = resources(agent.total_resources)
        .filter(isPersistentVolume)
        .map(({ disk }) => disk?.persistence?.id ?? '')
      assert.equal(await scene.volumes(), volumes.sort(), 'volumes')
      await world.crash(scene.agent)
      await scene.startAgent()
      await world.advance(20_000)
      const [again] = await scene.agents()
      assert.is(text(again.total_resources), total, 'what the agent has on disk')
      await scene.m.stop()
    }),
    { numRuns: 30 },
  )
})

test.run()
