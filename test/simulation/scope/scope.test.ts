/** All moments of death, and all states of the disk after it, in short histories. Spec: simulation.md §5. */
import { assert, suite } from '../../support/suite.ts'
import { agentOperations, agentTasks } from './agent.ts'
import { type Choose, explore } from './explore.ts'
import { acceptor, joiner, writer } from './log.ts'
import { updateJournal } from './updates.ts'

const test = suite('small scope')
const options = { timeoutMs: 120_000 }

const histories: ReadonlyArray<
  readonly [sentence: string, atLeast: number, run: (choose: Choose) => Promise<void>]
> = [
  ['the update journal keeps and tells each status in its turn', 10, updateJournal],
  ['a replica keeps its word', 20, acceptor],
  ['what a writer was told stays in the log', 20, writer],
  ['a new log begins, whichever replica dies', 20, (choose) => joiner(choose, true)],
  ['a replica that lost its disk votes with all there is', 20, (choose) => joiner(choose, false)],
  ["an agent's tasks start once, end once and leave nothing", 100, agentTasks],
  ["an agent's resources and volumes agree", 100, agentOperations],
]

for (const [sentence, atLeast, run] of histories) {
  test(`${sentence}, whenever its process dies`, options, async () => {
    const runs = await explore(run)
    process.stdout.write(`${runs} runs: ${sentence}\n`)
    assert.ok(runs >= atLeast, `${runs} runs`)
  })
}

test('every combination of decisions is had once', async () => {
  const seen: string[] = []
  const runs = await explore(async (choose) => {
    const first = choose(2, 'first')
    seen.push(first === 0 ? '0' : `1${choose(3, 'second')}`)
  })
  assert.equal(seen, ['0', '10', '11', '12'])
  assert.is(runs, 4)
})

test('a failure tells the decisions that led to it', async () => {
  const run = explore(async (choose) => {
    choose(3, 'usual')
    if (choose(2, 'death') === 1) throw new Error('data is lost')
  })
  const message = await run.catch((error: Error) => error.message)
  assert.is(message, 'after #1 death: 1: data is lost')
})

test('a run that is not the same each time is refused', async () => {
  let count = 2
  const message = await explore(async (choose) => {
    choose(count++, 'what')
  }).catch((error: Error) => error.message)
  assert.match(String(message), /runs differ: what of 2 is now what of 3/)
})

test.run()
