/** An agent's checkpoints: tasks that end and are killed, and operations with volumes. Spec: agent.md §3-8. */
import Value from 'typebox/value'
import agentModule, { type AgentOptions } from '../../../actors/agent/index.ts'
import {
  AcknowledgeOperation,
  ApplyOperation,
  type OperationUpdate,
  type ReregisterAgent,
} from '../../../protocol/agent.ts'
import type { Payload } from '../../../protocol/message.ts'
import { isTerminal } from '../../../protocol/v1/status.ts'
import { formatResources, resources } from '../../../src/resources/index.ts'
import type { Node } from '../../../src/runtime/index.ts'
import { type World, world } from '../../support/nodes.ts'
import { create, destroy, reserve, reserved, volume } from '../../support/operations.ts'
import { commandTask, type ScriptedMaster, scriptedMaster } from '../../support/scripted-master.ts'
import { assert } from '../../support/suite.ts'
import type { Choose } from './explore.ts'
import { MortalHost } from './mortal-host.ts'

/** One task ends by itself, one is killed. */
const tasks = ['short', 'long'] as const

/**
 * Whenever the agent dies: no task is started twice, each ends once and says so, nothing runs that nobody
 * knows of, and at last nothing of them is left on disk.
 */
export async function agentTasks(choose: Choose): Promise<void> {
  const { w, host, master, node } = await begin(choose)
  const starts: string[] = []
  host.processes.script(
    () => true,
    ({ args }) => {
      starts.push(args.at(-1) ?? '')
      return starts.at(-1) === 'short' ? { runMs: 1500, exitCode: 0 } : {}
    },
  )
  let launchedAt = Number.POSITIVE_INFINITY
  // A master tells an agent of tasks that it believes to be there and that are not.
  Object.defineProperty(master, 'reconcile', {
    get: () =>
      missingAt(master).map((id) => ({ framework_id: { value: 'F1' }, task_id: { value: id } })),
  })
  host.start()
  await w.until(() => master.agents.size > 0, 20_000)
  launchedAt = master.heard.length
  for (const id of tasks) master.run(node, [commandTask(id, id)])
  await w.advance(1000)
  master.kill(node, 'long', 0)
  await w.advance(8000)
  // Whoever wants a task gone says so until it is.
  if (!hasEnded(master, 'long')) master.kill(node, 'long', 0)
  await w.advance(30_000)

  assert.equal(host.processes.running(), [], 'something still runs')
  for (const id of tasks) {
    assert.ok(starts.filter((started) => started === id).length <= 1, `${id} is started twice`)
    const states = statusesOf(master, id)
    const end = states.findIndex(isTerminal)
    // One that died before it knew its id is another agent, and knows of no task.
    const isOther = master.heard.slice(launchedAt).some(({ type }) => type === 'REGISTER_AGENT')
    if (end === -1) assert.ok(isOther, `${id} never ends: ${states}`)
    else assert.is(end, states.length - 1, `${id} goes on after its end: ${states}`)
    if (states.includes('TASK_FINISHED')) assert.ok(starts.includes(id), `${id} finished unstarted`)
  }
  const left = [...host.storage.contents('/a/meta').keys()].filter((key) =>
    /^(task|stream)/.test(key),
  )
  assert.equal(left, [], 'left on disk')
  await end(w, host)
}

/** Distinct statuses of a task, in the order in which the master heard them first. */
function statusesOf({ updates }: ScriptedMaster, id: string) {
  const first = new Map<string, (typeof updates)[number]>()
  for (const update of updates) {
    const key = Buffer.from(update.status.uuid ?? []).toString('hex')
    if (update.status.task_id.value === id && !first.has(key)) first.set(key, update)
  }
  return [...first.values()].map(({ status }) => status.state)
}

function hasEnded(master: ScriptedMaster, id: string): boolean {
  return statusesOf(master, id).some(isTerminal)
}

/** Tasks that have not ended and that the newest report does not tell of. */
function missingAt(master: ScriptedMaster): string[] {
  const report = reportOf(master)
  const listed = report.tasks.map(({ task_id }) => task_id.value)
  return tasks.filter((id) => !hasEnded(master, id) && !listed.includes(id))
}

const operations = [
  reserve(reserved('disk', 100)),
  create(volume('v1', 40)),
  destroy(volume('v1', 40)),
]
/** The agent's total after so many of them. */
const totals = [/disk:1000\b/, /eng.*:100\b/, /v1/, /eng.*:100\b/]

/**
 * Whenever the agent dies: its resources are those before an operation or after it, those after it once its
 * outcome was told, and a volume is there exactly if the resources say so.
 */
export async function agentOperations(choose: Choose): Promise<void> {
  const { w, host, master, node } = await begin(choose)
  let done = 0
  let seen = 0
  host.start()
  await w.until(() => master.agents.size > 0, 20_000)
  for (let tried = 0; done < operations.length; tried++) {
    assert.ok(tried < 12, `operation ${done + 1} is never carried out`)
    const uuid = new Uint8Array(16).fill(tried + 1)
    master.send(node, ApplyOperation, {
      epoch: 1,
      framework_id: { value: 'F1' },
      operation_uuid: { value: uuid },
      info: operations[done] as (typeof operations)[number],
      resource_version: reportOf(master).resource_version ?? '',
    })
    await w.advance(4000)
    const news = master.heard.slice(seen)
    seen = master.heard.length
    const told = news.flatMap(({ type, body }) =>
      type === 'OPERATION_UPDATE' ? [body as Payload<typeof OperationUpdate>] : [],
    )
    for (const update of told) acknowledge(master, node, update)
    const isTold = told.some(
      ({ operation_uuid, status }) =>
        Buffer.compare(operation_uuid.value, uuid) === 0 && status.state === 'OPERATION_FINISHED',
    )
    const isBack = news.some(({ type }) => type === 'REREGISTER_AGENT')
    const before = done
    if (isTold) done++
    if (isBack) {
      const total = formatResources(resources(reportOf(master).total_resources ?? []))
      const isThere = (await w.run(host.disk.stat('/a/volumes/roles/eng/v1'))) !== undefined
      assert.is(isThere, total.includes('v1'), `${total}, volume ${isThere}`)
      const isAfter = totals[before + 1]?.test(total) && !(before === 2 && total.includes('v1'))
      assert.ok(isAfter || (!isTold && totals[before]?.test(total)), `${total} after ${done}`)
      if (isAfter) done = before + 1
    }
  }
  await w.advance(20_000)
  const left = [...host.storage.contents('/a/meta').keys()]
  assert.equal(
    left.filter((key) => key === 'resources.target'),
    [],
  )
  await end(w, host)
}

function acknowledge(
  master: ScriptedMaster,
  node: Node,
  { operation_uuid, status }: Payload<typeof OperationUpdate>,
): void {
  const status_uuid = status.uuid
  if (status_uuid === undefined) throw new Error('an outcome without uuid')
  master.send(node, AcknowledgeOperation, { epoch: 1, operation_uuid, status_uuid })
}

/** The newest report of what the agent is and has. */
function reportOf({ heard }: ScriptedMaster): Payload<typeof ReregisterAgent> {
  const types = ['REGISTER_AGENT', 'REREGISTER_AGENT']
  const { body } = heard.findLast(({ type }) => types.includes(type)) ?? {}
  return { tasks: [], ...(body as object) } as unknown as Payload<typeof ReregisterAgent>
}

async function begin(choose: Choose) {
  const w = world()
  const master = scriptedMaster()
  const node = await w.start('m', { children: [master.spec] })
  const given = {
    work_dir: '/a',
    resources: 'cpus:4;mem:1024;disk:1000',
    update_retry_min_ms: 1000,
    update_retry_max_ms: 1000,
  }
  const options = Value.Default(agentModule.options, given) as AgentOptions
  const host = new MortalHost({
    name: 'a',
    clock: w.clock,
    broker: w.broker,
    choose,
    deaths: ['kill', 'power failure'],
    program: async (ports) =>
      agentModule.children(options, { ports, cluster: 'meseta', node: 'a' }),
  })
  return { w, master, node, host }
}

async function end(w: World, host: MortalHost): Promise<void> {
  await host.stop()
  await w.stop()
}
