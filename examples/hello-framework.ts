/**
 * A framework with the SDK: launches five commands where there is room, says what becomes of them, and
 * ends. Run it beside `meseta up`:
 *
 *     npx tsx examples/hello-framework.ts [nats://127.0.0.1:4222]
 */
import type { Offer } from '../protocol/index.ts'
import { connectScheduler, type Driver, Room } from '../src/index.ts'

const servers = process.argv[2]?.split(',')
const need = { cpus: 0.1, mem: 32 }
let launched = 0
let finished = 0

function offers(all: readonly Offer[], driver: Driver): void {
  for (const offer of all) {
    const room = new Room(offer)
    const tasks = []
    while (launched < 5 && room.lacks(need).length === 0) {
      const id = `hello-${++launched}`
      tasks.push({
        name: id,
        task_id: { value: id },
        agent_id: offer.agent_id,
        resources: room.take(need),
        command: { value: `echo ${id} on $(hostname)` },
      })
    }
    if (tasks.length > 0) driver.launch([offer], tasks)
    else driver.decline([offer], { refuse_seconds: 60 })
  }
}

const { driver, frameworkId, ended } = await connectScheduler({
  ...(servers && { servers }),
  framework: { name: 'hello', user: 'nobody', failover_timeout: 60 },
  callbacks: {
    offers,
    update(status) {
      console.log(`${status.task_id.value} ${status.state}`)
      if (status.state === 'TASK_FINISHED' && ++finished === 5) driver.teardown()
    },
  },
})
console.log(`framework ${frameworkId}`)
await ended
process.exit(0)
