/**
 * A framework for tests that kill it: runs as a process of its own, launches the tasks that are named in
 * its plan, and writes every terminal status to a journal before it is acknowledged. A later instance
 * with the same plan reads the journals of the former ones, and goes on where they ended.
 *
 *     chaos-framework.ts PLAN.json
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Offer } from '../../protocol/v1/offer.ts'
import { terminalTaskStates } from '../../protocol/v1/status.ts'
import { connectScheduler, type Driver, Room } from '../../src/framework/index.ts'

/** What one framework is to do; the same for all its instances. */
export interface Plan {
  readonly servers: readonly string[]
  readonly frameworkId: string
  readonly tasks: readonly string[]
  /** Shell line; the task's id is in `TASK`. */
  readonly command: string
  /** Where instances write `launched ID AGENT` and `STATE ID UUID`, a line each. */
  readonly journal: string
}

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Plan
const former = existsSync(plan.journal) ? readFileSync(plan.journal, 'utf8').split('\n') : []
const launched = new Map<string, string>()
const over = new Set<string>()
for (const line of former) {
  const [word = '', id = '', agentId = ''] = line.split(' ')
  if (word === 'launched') launched.set(id, agentId)
  else over.add(id)
}
const waiting = plan.tasks.filter((id) => !launched.has(id))
const tasks = [...launched]
  .filter(([id]) => !over.has(id))
  .map(([taskId, agentId]) => ({ taskId, agentId }))
const need = { cpus: 0.25, mem: 16 }

// A task is written down before it is launched, so that no instance launches it again.
const note = (...words: readonly string[]) => appendFileSync(plan.journal, `${words.join(' ')}\n`)

function offers(all: readonly Offer[], driver: Driver): void {
  for (const offer of all) {
    const room = new Room(offer)
    const fitting = []
    while (waiting.length > 0 && room.lacks(need).length === 0) {
      const id = waiting.shift() as string
      note('launched', id, offer.agent_id.value)
      fitting.push({
        name: id,
        task_id: { value: id },
        agent_id: offer.agent_id,
        resources: room.take(need),
        command: {
          value: plan.command,
          environment: { variables: [{ name: 'TASK', value: id }] },
        },
      })
    }
    driver.launch([offer], fitting, { refuse_seconds: waiting.length > 0 ? 0 : 60 })
  }
}

const { driver, ended } = await connectScheduler({
  servers: plan.servers,
  framework: {
    name: 'chaos',
    user: 'root',
    id: { value: plan.frameworkId },
    failover_timeout: 120,
    checkpoint: true,
  },
  tasks,
  retryMs: 50,
  retryMsMax: 500,
  silenceMs: 3000,
  callbacks: {
    offers,
    update({ task_id, state, uuid, reason = '', message = '' }) {
      if (!terminalTaskStates.has(state)) return
      note(state, task_id.value, Buffer.from(uuid ?? []).toString('hex') || '-', reason, message)
    },
  },
})
process.on('SIGUSR2', () => driver.teardown())
await ended
process.exit(0)
