/** Operators read long lists page by page. Rules: protocol/paging.ts. */
import { encode } from '../../protocol/codec.ts'
import { isList, joinPages, masterCalls } from '../../protocol/operator.ts'
import type { Task } from '../../protocol/v1/index.ts'
import {
  type Document,
  launch,
  type MasterWorld,
  masterWorld,
  type TestAgent,
  type TestFramework,
  task,
} from '../support/master-world.ts'
import { assert, suite } from '../support/suite.ts'

const test = suite('master: lists')

/** A master with an agent that runs `count` tasks of a framework. */
async function busy(count: number, noteBytes = 0) {
  const m = await masterWorld()
  const framework = await m.framework({ checkpoint: true })
  const agent = await m.agent('a')
  await m.failOver()
  const ids = Array.from({ length: count }, (_, index) => `t${index}`)
  await agent.start()
  await agent.reregister(
    ids.map((id) => running(framework, agent, id, noteBytes)),
    [framework.info],
  )
  await framework.subscribe()
  return { m, framework, agent, ids }
}

function running({ id }: TestFramework, agent: TestAgent, name: string, noteBytes: number): Task {
  return {
    name,
    task_id: { value: name },
    framework_id: { value: id },
    agent_id: { value: agent.id },
    state: 'TASK_RUNNING',
    labels: { labels: [{ key: 'note', value: 'x'.repeat(noteBytes) }] },
  }
}

/** All pages of a call; `between` runs after each. */
async function pages(
  m: MasterWorld,
  call: object,
  page_size: number,
  between: (page: Document) => Promise<unknown> = async () => undefined,
): Promise<Document[]> {
  const all: Document[] = []
  let page_token: string | undefined
  do {
    const page = await m.operate({ ...call, page_size, ...(page_token && { page_token }) })
    assert.is(page.error, undefined)
    all.push(page)
    page_token = page.next_page_token
    await between(page)
  } while (page_token !== undefined)
  return all
}

const idsOf = (tasks: Task[]): string[] => tasks.map(({ task_id }) => task_id.value)

test('the pages of every list together are the whole list', async () => {
  const { m, framework } = await busy(3)
  await m.agent('b')
  await framework.offer()
  const weight_infos = ['x', 'y'].map((role) => ({ role, weight: 2 }))
  await m.operate({ type: 'UPDATE_WEIGHTS', update_weights: { weight_infos } })
  const quota_configs = ['x', 'y'].map((role) => ({ role, limits: { cpus: { value: 1 } } }))
  await m.operate({ type: 'UPDATE_QUOTA', update_quota: { quota_configs } })
  const explain_offers = { framework_id: { value: framework.id } }
  const calls = masterCalls.filter(isList).map(({ name }) => name)
  assert.ok(calls.length >= 13, calls.join())
  // Counting the questions changes the answer; frameworks differ by their offers.
  for (const type of calls.filter((name) => name !== 'GET_METRICS')) {
    const call = { type, ...(type === 'EXPLAIN_OFFERS' && { explain_offers }) }
    const whole = await m.operate(call)
    assert.is(whole.error, undefined)
    const frameworks = (whole.get_frameworks ?? whole.get_state?.get_frameworks)?.frameworks ?? []
    for (const each of frameworks) {
      delete each.offers
      delete each.inverse_offers
    }
    for (const size of [1, 2, 1000]) {
      assert.equal(joinPages(await pages(m, call, size)), whole, `${type} by ${size}`)
    }
  }
  await m.stop()
})

test('a page has no more entries than were asked for, over all lists of the answer', async () => {
  const { m, ids } = await busy(5)
  const all = await pages(m, { type: 'GET_TASKS' }, 2)
  assert.equal(
    all.map(({ get_tasks }) => idsOf(get_tasks.tasks)),
    [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)],
  )
  assert.is(all.at(-1).next_page_token, undefined)
  await m.stop()
})

test('what does not fit into one message is refused whole, and comes in pages', async () => {
  const { m, ids } = await busy(400, 4000)
  const { error } = await m.operate({ type: 'GET_TASKS' })
  assert.is(error.code, 'TOO_LARGE')
  assert.match(error.message, 'page_size')
  const all = await pages(m, { type: 'GET_TASKS' }, 10_000)
  assert.ok(all.length > 4, `${all.length} pages`)
  assert.ok(all.every((page) => encode(page, 'json').length < 300_000))
  assert.equal(idsOf(joinPages<Document>(all).get_tasks.tasks), ids)
  await m.stop()
})

test('what ends or comes while a list is read neither hides entries nor repeats them', async () => {
  const { m, framework, agent, ids } = await busy(6)
  const ended: string[] = []
  const all = await pages(m, { type: 'GET_TASKS' }, 1, async ({ get_tasks }) => {
    // Each task leaves the books as soon as it was told.
    for (const id of idsOf(get_tasks.tasks)) {
      await agent.update(framework, id, 'TASK_FINISHED')
      const [{ uuid }] = framework.updates.slice(-1)
      const acknowledge = { agent_id: { value: agent.id }, task_id: { value: id }, uuid }
      await framework.call('ACKNOWLEDGE', { acknowledge })
      ended.push(id)
    }
    if (ended.length === 1) {
      const offer = await framework.offer()
      await framework.accept(offer, [launch(task('late', offer))])
    }
  })
  assert.equal(idsOf(joinPages<Document>(all).get_tasks.tasks), ids)
  const now = (await m.operate({ type: 'GET_TASKS' })).get_tasks
  assert.equal([idsOf(now.tasks), idsOf(now.completed_tasks)], [['late'], ids])
  await m.stop()
})

test('a list that nobody reads on is forgotten', async () => {
  const { m } = await busy(3)
  const call = { type: 'GET_TASKS', page_size: 1 }
  const { next_page_token: page_token } = await m.operate(call)
  await m.world.advance(29_000)
  const second = await m.operate({ ...call, page_token })
  await m.world.advance(29_000)
  const third = await m.operate({ ...call, page_token: second.next_page_token })
  assert.equal(idsOf(third.get_tasks.tasks), ['t2'], 'each page counts anew')
  const again = await m.operate(call)
  await m.world.advance(31_000)
  const late = await m.operate({ ...call, page_token: again.next_page_token })
  assert.is(late.error.code, 'PAGE_EXPIRED')
  await m.stop()
})

test('of many open lists the one asked for longest ago is given up', async () => {
  const { m } = await busy(3)
  const call = { type: 'GET_TASKS', page_size: 1 }
  const tokens: string[] = []
  for (let i = 0; i < 16; i++) tokens.push((await m.operate(call)).next_page_token)
  const first = await m.operate({ ...call, page_token: tokens[0] })
  assert.equal(idsOf(first.get_tasks.tasks), ['t1'])
  await m.operate(call)
  const codes: Document[] = []
  for (const page_token of [first.next_page_token, tokens[1], tokens[2]]) {
    codes.push((await m.operate({ ...call, page_token })).error?.code)
  }
  assert.equal(codes, [undefined, 'PAGE_EXPIRED', undefined])
  await m.stop()
})

test('tokens that are none, and sizes that are none, are refused with their place', async () => {
  const { m } = await busy(3)
  const call = { type: 'GET_TASKS', page_size: 1 }
  const { next_page_token: page_token } = await m.operate(call)
  const refusals: Array<[object, RegExp]> = [
    [{ type: 'GET_AGENTS', page_token }, /^GET_AGENTS.page_token: belongs to GET_TASKS$/],
    [{ ...call, page_token: 'x' }, /^GET_TASKS.page_token: is no token/],
    [{ ...call, page_token: '' }, /^GET_TASKS.page_token: is no token/],
    [{ ...call, page_token: 7 }, /^GET_TASKS.page_token: must be string/],
    [{ ...call, page_size: 0 }, /^GET_TASKS.page_size: must be >= 1/],
    [{ ...call, page_size: 1.5 }, /^GET_TASKS.page_size: must be integer/],
  ]
  for (const [wrong, sentence] of refusals) {
    const { error } = await m.operate(wrong)
    assert.is(error.code, 'INVALID_MESSAGE')
    assert.match(error.message, sentence)
  }
  assert.is((await m.operate({ ...call, page_token })).error, undefined, 'the list is still there')
  await m.stop()
})

test.run()
