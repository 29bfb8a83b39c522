/**
 * A framework whose data outlives its tasks: it reserves disk, makes a volume of it, has one task write
 * there and another one read, and gives everything back. Run it beside `meseta up`:
 *
 *     npx tsx examples/volume-framework.ts [nats://127.0.0.1:4222]
 */
import type { Offer } from '../protocol/index.ts'
import { connectScheduler, type Driver, operations, Room } from '../src/index.ts'

const servers = process.argv[2]?.split(',')
const role = 'shop'
const space = operations.reserved('disk', 64, role)
const till = operations.volume('till', 64, role, 'data')
const need = { cpus: 0.1, mem: 32 }

/** What is to be done with the next offer that allows it. */
let step: 'write' | 'read' | 'give back' | 'nothing' = 'write'

function launch(offer: Offer, id: string, command: string) {
  const resources = [...new Room(offer).take(need), till]
  const task_id = { value: id }
  const task = {
    name: id,
    task_id,
    agent_id: offer.agent_id,
    resources,
    command: { value: command },
  }
  return { type: 'LAUNCH' as const, launch: { task_infos: [task] } }
}

function answer(offer: Offer, driver: Driver): void {
  const room = new Room(offer)
  const withVolume = room.lacks({ ...need, volumes: [{ id: 'till' }] }).length === 0
  if (step === 'write' && room.lacks({ ...need, disk: 64 }).length === 0) {
    step = 'nothing'
    const make = [operations.reserve([space], 'reserve'), operations.create([till], 'create')]
    driver.accept([offer], [...make, launch(offer, 'writer', 'echo 42 > data/total')])
  } else if (step === 'read' && withVolume) {
    step = 'nothing'
    driver.accept([offer], [launch(offer, 'reader', 'test "$(cat data/total)" = 42')])
  } else if (step === 'give back' && withVolume) {
    step = 'nothing'
    const end = [operations.destroy([till], 'destroy'), operations.unreserve([space], 'unreserve')]
    driver.accept([offer], end)
  } else driver.decline([offer], { refuse_seconds: 1 })
}

const { ended } = await connectScheduler({
  ...(servers && { servers }),
  framework: { name: 'till', user: 'nobody', role, failover_timeout: 60 },
  callbacks: {
    offers: (offers, driver) => {
      for (const offer of offers) answer(offer, driver)
    },
    update({ task_id, state, message }) {
      console.log(`${task_id.value} ${state}${state === 'TASK_FAILED' ? ` ${message}` : ''}`)
      if (state === 'TASK_FINISHED') step = task_id.value === 'writer' ? 'read' : 'give back'
    },
    operation({ operation_id, state, message = '' }, driver) {
      console.log(`${operation_id?.value} ${state} ${message}`.trim())
      if (operation_id?.value === 'unreserve') driver.teardown()
    },
  },
})
await ended
process.exit(0)
