/**
 * An executor that runs many tasks in one process, with nothing but `nats` and `msgpackr`. A framework
 * names it as `executor: { executor_id, command: { value: 'node custom-executor.js' } }`; the agent starts
 * it and tells it by environment where to call and where to listen. Each task counts down the number of
 * milliseconds that its `data` holds, and is then finished.
 *
 * The rules: SUBSCRIBE first; keep every task until an update of it is acknowledged, and every update
 * until it is acknowledged; when the agent says `subscribed: false`, and when the broker was away, SUBSCRIBE
 * again with both, until SUBSCRIBED comes. A task that comes before that is not started: the agent may take it
 * for lost, as SUBSCRIBE did not name it. SUBSCRIBE repeats the `mark` of the last event that came, so that the
 * agent knows which tasks it could name.
 */
import { randomBytes } from 'node:crypto'
import { pack, unpack } from 'msgpackr'
import { connect } from 'nats'

const { env } = process
const ids = {
  framework_id: { value: env.MESOS_FRAMEWORK_ID },
  executor_id: { value: env.MESOS_EXECUTOR_ID },
}
const callSubject = env.MESETA_EXECUTOR_CALL ?? ''

interface Task {
  readonly task_id: { readonly value: string }
  readonly data?: Uint8Array
}
interface Status {
  readonly task_id: Task['task_id']
  readonly state: string
  readonly uuid: Uint8Array
  readonly source: 'SOURCE_EXECUTOR'
}
type Event = { mark?: string } & (
  | { type: 'SUBSCRIBED' | 'SHUTDOWN' | 'MESSAGE' | 'ERROR' }
  | { type: 'LAUNCH'; launch: { task: Task } }
  | { type: 'LAUNCH_GROUP'; launch_group: { task_group: { tasks: Task[] } } }
  | { type: 'KILL'; kill: { task_id: Task['task_id'] } }
  | { type: 'ACKNOWLEDGED'; acknowledged: { task_id: Task['task_id']; uuid: Uint8Array } }
  | { type: 'HEARTBEAT'; subscribed?: boolean }
)

const nats = await connect({ servers: env.MESETA_NATS_URL ?? '', maxReconnectAttempts: -1 })
const running = new Map<string, NodeJS.Timeout>()
const unacknowledgedTasks = new Map<string, Task>()
const unacknowledgedUpdates = new Map<string, Status>()

const call = (body: object) => nats.publish(callSubject, pack({ ...ids, ...body }))
/** Whether what the agent knows of this executor is what it said last. */
let subscribed = false
let timer: NodeJS.Timeout | undefined
/** That of the last event. */
let mark: string | undefined
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function subscribe(): void {
  subscribed = false
  clearTimeout(timer)
  timer = setTimeout(subscribe, 5000)
  const updates = [...unacknowledgedUpdates.values()].map((status) => ({ status }))
  const tasks = [...unacknowledgedTasks.values()]
  call({
    type: 'SUBSCRIBE',
    subscribe: {
      unacknowledged_tasks: tasks,
      unacknowledged_updates: updates,
      ...(mark !== undefined && { mark }),
    },
  })
}

function update(task_id: Task['task_id'], state: string): void {
  const status = { task_id, state, uuid: randomBytes(16), source: 'SOURCE_EXECUTOR' } as const
  unacknowledgedUpdates.set(hex(status.uuid), status)
  call({ type: 'UPDATE', update: { status } })
}

function launch(task: Task): void {
  if (!subscribed) return
  const { task_id, data } = task
  unacknowledgedTasks.set(task_id.value, task)
  update(task_id, 'TASK_RUNNING')
  const ms = Number(new TextDecoder().decode(data))
  running.set(
    task_id.value,
    setTimeout(() => end(task_id, 'TASK_FINISHED'), ms),
  )
}

function end(task_id: Task['task_id'], state: string): void {
  clearTimeout(running.get(task_id.value))
  if (running.delete(task_id.value)) update(task_id, state)
}

/** What was said while the broker was away is lost. */
async function watchBroker(): Promise<void> {
  for await (const { type } of nats.status()) if (type === 'reconnect') subscribe()
}

function acknowledged(task_id: Task['task_id'], uuid: Uint8Array): void {
  unacknowledgedUpdates.delete(hex(uuid))
  unacknowledgedTasks.delete(task_id.value)
}

const events = nats.subscribe(env.MESETA_EXECUTOR_EVENT ?? '')
await nats.flush()
subscribe()
void watchBroker()
for await (const message of events) {
  const event = unpack(message.data) as Event
  mark = event.mark
  if (event.type === 'SUBSCRIBED') {
    subscribed = true
    clearTimeout(timer)
  } else if (event.type === 'LAUNCH') launch(event.launch.task)
  else if (event.type === 'LAUNCH_GROUP') event.launch_group.task_group.tasks.forEach(launch)
  else if (event.type === 'KILL') end(event.kill.task_id, 'TASK_KILLED')
  else if (event.type === 'ACKNOWLEDGED')
    acknowledged(event.acknowledged.task_id, event.acknowledged.uuid)
  else if (event.type === 'HEARTBEAT' && event.subscribed === false) subscribe()
  else if (event.type === 'SHUTDOWN') {
    clearTimeout(timer)
    for (const value of [...running.keys()]) end({ value }, 'TASK_KILLED')
    await nats.drain()
  }
}
