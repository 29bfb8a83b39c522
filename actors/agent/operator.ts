/**
 * The agent's operator API on `agentCall(id)`: request and reply, in the caller's format. Only reads:
 * nothing here changes the agent. Spec: operator-api.md §D.
 */
import {
  decode,
  encode,
  errorReply,
  type Failure,
  type Format,
  fail,
  formatOf,
  operator,
  type Result,
  subjects,
} from '../../protocol/index.ts'
import type { Context, Delivery } from '../../src/runtime/index.ts'
import {
  agentMetrics,
  agentStateDocument,
  agentTasks,
  operationDocuments,
  version,
} from './documents.ts'
import { listFiles, readFile } from './files.ts'
import { agentPath } from './paths.ts'
import { type AgentState, agentId } from './state.ts'

/** Calls for files that may be under way; further ones are refused. */
const filesMax = 64

/** Begins to listen, once the agent has an id. */
export function listen(state: AgentState, cx: Context): void {
  let files = 0
  cx.subscribe(subjects(cx.cluster).agentCall(agentId(state)), (delivery) => {
    const { reply } = delivery
    if (reply === undefined) return
    const format = formatOf(delivery.data)
    const call = parse(delivery)
    if (!call.ok) return respond(reply, errorReply(call.error), format, cx)
    const document = answer(state, call.value, cx)
    if (document !== undefined) return respond(reply, document, format, cx)
    if (files >= filesMax) {
      const busy = fail('RATE_LIMITED', { sender: 'all operators', limit: filesMax })
      return respond(reply, errorReply(busy.error), format, cx)
    }
    files++
    cx.job(
      () => answerFromDisk(state, call.value, cx),
      (outcome) => {
        files--
        const failed = {
          code: 'INTERNAL' as const,
          message: outcome.ok ? '' : outcome.error.message,
        }
        respond(reply, outcome.ok ? outcome.value : errorReply(failed), format, cx)
      },
    )
  })
}

function parse({ data }: Delivery): Result<operator.AgentCall, Failure> {
  const decoded = decode(data)
  return decoded.ok
    ? operator.validateAgentCall(decoded.value.value)
    : fail('INVALID_MESSAGE', { problem: decoded.error })
}

function respond(reply: string, document: unknown, format: Format, cx: Context): void {
  cx.publish(reply, encode(document, format))
}

/** The reply to a call; undefined for those that need the disk. */
function answer(state: AgentState, call: operator.AgentCall, cx: Context): object | undefined {
  const { type } = call
  switch (type) {
    case 'GET_HEALTH':
      return { type, get_health: { healthy: true } }
    case 'GET_VERSION':
      return { type, get_version: { version_info: { version } } }
    case 'GET_FLAGS': {
      const flags = Object.entries(state.options).map(([name, value]) => ({
        name,
        value: String(value),
      }))
      return { type, get_flags: { flags } }
    }
    case 'GET_METRICS':
      return { type, get_metrics: { metrics: agentMetrics(state, cx.monotonic()) } }
    case 'GET_STATE':
      return { type, get_state: agentStateDocument(state) }
    case 'GET_AGENT':
      return {
        type,
        get_agent: {
          agent_info: state.info,
          ...(state.drain !== undefined && { drain_config: state.drain }),
        },
      }
    case 'GET_TASKS':
      return { type, get_tasks: agentTasks(state) }
    case 'GET_EXECUTORS':
      return { type, get_executors: agentStateDocument(state).get_executors }
    case 'GET_FRAMEWORKS':
      return { type, get_frameworks: agentStateDocument(state).get_frameworks }
    case 'GET_OPERATIONS':
      return { type, get_operations: { operations: operationDocuments(state) } }
    case 'GET_CONTAINERS':
      return { type, get_containers: { containers: containers(state) } }
    case 'LIST_FILES':
    case 'READ_FILE':
      return undefined
  }
}

function containers(state: AgentState) {
  return [...state.frameworks.values()].flatMap(({ id, executors }) =>
    [...executors.values()]
      .filter(({ pid }) => pid !== undefined)
      .map(({ info, container }) => ({
        framework_id: { value: id },
        executor_id: info.executor_id,
        ...(info.name === undefined ? {} : { executor_name: info.name }),
        container_id: { value: container },
      })),
  )
}

async function answerFromDisk(
  state: AgentState,
  call: operator.AgentCall,
  cx: Context,
): Promise<object> {
  const root = agentPath(state.options.work_dir, agentId(state))
  const { disk } = cx.ports
  if (call.type === 'LIST_FILES') {
    const listed = await listFiles(disk, root, call.list_files.path)
    if (!listed.ok) return errorReply(listed.error)
    return { type: call.type, list_files: { file_infos: listed.value } }
  }
  if (call.type !== 'READ_FILE') throw new Error(`${call.type} needs no disk`)
  const part = await readFile(disk, root, call.read_file)
  return part.ok ? { type: call.type, read_file: part.value } : errorReply(part.error)
}
