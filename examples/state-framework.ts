/**
 * A framework that goes on where it was: it runs three tasks at each start and numbers them over all its
 * lives. The number stands in a state, a replicated log that survives framework, masters and agents. Run it
 * beside `meseta up` and `meseta start --name s1 state`, twice:
 *
 *     npx tsx examples/state-framework.ts [nats://127.0.0.1:4222]
 */
import type { Offer } from '../protocol/index.ts'
import { connectScheduler, connectState, type Driver, Room } from '../src/index.ts'

const servers = process.argv[2]?.split(',')
const need = { cpus: 0.1, mem: 32 }
const state = await connectState({ ...(servers && { servers }), nodes: ['s1'] })

/** Takes three numbers that nobody else gets, whoever else runs. */
async function takeNumbers(): Promise<number[]> {
  for (;;) {
    const { version, value } = await state.fetch('last number')
    const last = value === undefined ? 0 : Number(new TextDecoder().decode(value))
    const next = new TextEncoder().encode(String(last + 3))
    const { changed } = await state.store('last number', next, version)
    if (changed) return [last + 1, last + 2, last + 3]
  }
}

const waiting = await takeNumbers()
let left = waiting.length

function offers(all: readonly Offer[], driver: Driver): void {
  for (const offer of all) {
    const room = new Room(offer)
    const tasks = []
    while (waiting.length > 0 && room.lacks(need).length === 0) {
      const id = `numbered-${waiting.shift()}`
      const command = { value: `echo ${id}` }
      const resources = room.take(need)
      tasks.push({ name: id, task_id: { value: id }, agent_id: offer.agent_id, resources, command })
    }
    if (tasks.length > 0) driver.launch([offer], tasks)
    else driver.decline([offer], { refuse_seconds: 60 })
  }
}

const { ended } = await connectScheduler({
  ...(servers && { servers }),
  framework: { name: 'numbered', user: 'nobody' },
  callbacks: {
    offers,
    update({ task_id, state: now }, driver) {
      if (now === 'TASK_FINISHED') console.log(`${task_id.value} ${now}`)
      if (now === 'TASK_FINISHED' && --left === 0) driver.teardown()
    },
  },
})
await ended
await state.close()
process.exit(0)
