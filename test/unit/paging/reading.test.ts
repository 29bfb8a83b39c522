import { type Paging, readList } from '../../../src/paging/reading.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('reading lists')

interface Answer {
  readonly type: string
  readonly get_tasks: {
    readonly tasks: readonly number[]
    readonly completed_tasks: readonly number[]
  }
  readonly next_page_token?: string
}

/** Two tasks a page, then two completed ones; after `forgets` of the pages it has forgotten the list. */
function scripted(forgets: readonly number[] = []) {
  const asked: Array<string | undefined> = []
  const ask = async ({ page_token }: Paging): Promise<Answer> => {
    asked.push(page_token)
    if (forgets.includes(asked.length))
      throw Object.assign(new Error('gone'), { code: 'PAGE_EXPIRED' })
    const page = Number(page_token ?? 0)
    const tasks = page < 2 ? [2 * page, 2 * page + 1] : []
    const get_tasks = { tasks, completed_tasks: page < 2 ? [] : [4, 5] }
    return { type: 'GET_TASKS', get_tasks, ...(page < 2 && { next_page_token: String(page + 1) }) }
  }
  return { asked, ask }
}

const whole = { type: 'GET_TASKS', get_tasks: { tasks: [0, 1, 2, 3], completed_tasks: [4, 5] } }

test('all pages become one answer', async () => {
  const { asked, ask } = scripted()
  assert.equal(await readList(ask), whole)
  assert.equal(asked, [undefined, '1', '2'])
})

test('a list that was forgotten is begun anew, and holds nothing twice', async () => {
  const { asked, ask } = scripted([3])
  assert.equal(await readList(ask), whole)
  assert.equal(asked, [undefined, '1', '2', undefined, '1', '2'])
})

test('one that is forgotten again and again is given up', async () => {
  const { asked, ask } = scripted([2, 4, 6, 8])
  const error = await readList(ask).catch((thrown) => thrown)
  assert.is(error.code, 'PAGE_EXPIRED')
  assert.is(asked.length, 6)
})

test('any other refusal is told at once', async () => {
  const refusal = Object.assign(new Error('no'), { code: 'DENIED' })
  let asked = 0
  const error = await readList(async () => {
    asked++
    throw refusal
  }).catch((thrown) => thrown)
  assert.equal([error, asked], [refusal, 1])
})

test.run()
