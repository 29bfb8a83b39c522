/**
 * The agent's operator API on `agentCall(id)`: request and reply, in the caller's format. Only reads:
 * nothing here changes the agent. Spec: operator-api.md §D.
 */
import {
  decode,
  errorReply,
  type Failure,
  fail,
  formatOf,
  ok,
  operator,
  type Result,
  subjects,
} from '../../protocol/index.ts'
import { answerList, continueList, encodeAnswer, noLists } from '../../src/paging/index.ts'
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

const listCalls = new Set<string>(
  operator.agentCalls.filter(operator.isList).map(({ name }) => name),
)

/** Begins to listen, once the agent has an id. */
export function listen(state: AgentState, cx: Context): void {
  const lists = noLists()
  let files = 0
  cx.subscribe(subjects(cx.cluster).agentCall(agentId(state)), (delivery) => {
    const { reply } = delivery
    if (reply === undefined) return
    const format = formatOf(delivery.data)
    const respond = (outcome: Result<object, Failure>) => {
      const body = outcome.ok ? outcome.value : errorReply(outcome.error)
      cx.publish(reply, encodeAnswer(body, format, cx))
    }
    const parsed = parse(delivery)
    if (!parsed.ok) return respond(parsed)
    const call = parsed.value
    if ('page_token' in call) return respond(continueList(lists, call, format, cx))
    const tell = (document: object) => {
      if (listCalls.has(call.type)) answerList(lists, call, document, format, cx, respond)
      else respond(ok(document))
    }
    const document = answer(state, call, cx)
    if (document !== undefined) return tell(document)
    if (files >= filesMax) {
      return respond(fail('RATE_LIMITED', { sender: 'all operators', limit: filesMax }))
    }
    files++
    cx.job(
      () => answerFromDisk(state, call, cx),
      (outcome) => {
        files--
        if (!outcome.ok) return respond(fail('INTERNAL', { reason: outcome.error.message }))
        const { value } = outcome
        if (value.ok) tell(value.value)
        else respond(value)
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

/** The reply to a call; undefined for those that need the disk. */
function answer(state: AgentState, call: operator.AgentCall, cx: Context): object | undefined {
  const { type } = call
  const { drain } = state
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
          ...(drain !== undefined && {
            drain_config: drain.config,
            estimated_drain_start_time: { nanoseconds: Math.round(drain.startMs) * 1e6 },
          }),
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
): Promise<Result<object, Failure>> {
  const { type } = call
  const root = agentPath(state.options.work_dir, agentId(state))
  const { disk } = cx.ports
  if (type === 'LIST_FILES') {
    const listed = await listFiles(disk, root, call.list_files.path)
    return listed.ok ? ok({ type, list_files: { file_infos: listed.value } }) : listed
  }
  if (type !== 'READ_FILE') throw new Error(`${type} needs no disk`)
  const part = await readFile(disk, root, call.read_file)
  return part.ok ? ok({ type, read_file: part.value }) : part
}
