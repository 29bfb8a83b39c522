/** The operator API of the leading master. Spec: operator-api.md §B. */
import type { Format } from '../../protocol/codec.ts'
import { type Failure, failure } from '../../protocol/errors.ts'
import { type MasterCall, validateMasterCall } from '../../protocol/operator.ts'
import { err, ok, type Result } from '../../protocol/result.ts'
import type { Task } from '../../protocol/v1/index.ts'
import { answerList, continueList, entries, isPaged } from '../../src/paging/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import {
  agentsDocument,
  executorsDocument,
  frameworksDocument,
  operationsDocument,
  tasksDocument,
} from './documents.ts'
import { deactivateAgent, drainAgent, reactivateAgent } from './drain.ts'
import { removeFramework } from './frameworks.ts'
import { markGone } from './gone.ts'
import {
  scheduleDocument,
  startMaintenance,
  statusDocument,
  stopMaintenance,
  updateSchedule,
} from './maintenance.ts'
import { count, tellMetrics } from './metrics.ts'
import { offerDocument } from './offer-encoding.ts'
import { rescindSelected, watchOffers } from './operator-offers.ts'
import { changeResources } from './operator-resources.ts'
import { updateQuota } from './quota.ts'
import { accountsOf, quotasDocument, rolesDocument } from './roles.ts'
import { type MasterState, VERSION } from './state.ts'
import { killTask } from './tasks.ts'
import { survey, surveyProblem, type Usage } from './usage.ts'
import { updateWeights } from './weights.ts'
import { explainOffers } from './why.ts'

/** Takes the answer to a call, once: as it is to be encoded. */
export type Answer = (outcome: Result<object, Failure>) => void

/** A call as it was decoded. Returns its answer; or nothing, if `later` is told it in a later turn. */
export function operate(
  state: MasterState,
  value: unknown,
  format: Format,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const call = validateMasterCall(value)
  if (!call.ok) return call
  count(state, `master/operator_calls/${call.value.type.toLowerCase()}`)
  if ('page_token' in call.value) return continueList(state.lists, call.value, format, cx)
  return carryOut(state, call.value, format, later, cx)
}

function carryOut(
  state: MasterState,
  call: MasterCall,
  format: Format,
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const { type } = call
  const listed = (answer: object): undefined => {
    answerList(state.lists, call, { type, ...answer }, format, cx, later)
  }
  /** Answers with what is made of a look at the whole cluster. */
  const surveyed = (answer: (usage: Usage) => Generator<void, object>) => {
    const problem = surveyProblem(state)
    if (problem !== undefined) return problem
    survey(
      state,
      function* (usage) {
        listed(yield* answer(usage))
      },
      cx,
    )
    return undefined
  }
  switch (type) {
    case 'GET_HEALTH':
      return ok({ type, get_health: { healthy: true } })
    case 'GET_VERSION':
      return ok({ type, get_version: { version_info: { version: VERSION } } })
    case 'GET_FLAGS':
      return ok({ type, get_flags: { flags: flags(state) } })
    case 'GET_METRICS':
      return (
        surveyProblem(state) ??
        tellMetrics(state, (metrics) => listed({ get_metrics: { metrics } }), cx)
      )
    case 'GET_MASTER':
      return ok({
        type,
        get_master: {
          master_info: state.info,
          start_time: state.startMs / 1000,
          elected_time: state.electedMs / 1000,
          epoch: state.epoch,
          masters: state.masters,
        },
      })
    case 'GET_STATE':
      return surveyed(function* (usage) {
        const get_frameworks = yield* frameworksDocument(state, usage, isPaged(call))
        return {
          get_state: {
            get_tasks: tasksDocument(state),
            get_executors: { executors: executorsDocument(state) },
            get_frameworks,
            get_agents: agentsDocument(state),
          },
        }
      })
    case 'GET_AGENTS':
      return listed({ get_agents: agentsDocument(state) })
    case 'GET_FRAMEWORKS':
      return surveyed(function* (usage) {
        return { get_frameworks: yield* frameworksDocument(state, usage, isPaged(call)) }
      })
    case 'GET_TASKS':
      return listed({ get_tasks: tasksDocument(state) })
    case 'GET_EXECUTORS':
      return listed({ get_executors: { executors: executorsDocument(state) } })
    case 'GET_ROLES':
      return surveyed(function* (usage) {
        const roles = rolesDocument(state, yield* accountsOf(state, usage))
        return { get_roles: { roles } }
      })
    case 'GET_OFFERS':
      return listed({ get_offers: { offers: entries(state.offers.values(), offerDocument) } })
    case 'GET_OPERATIONS':
      return listed({ get_operations: { operations: operationsDocument(state) } })
    case 'RESERVE_RESOURCES':
    case 'UNRESERVE_RESOURCES':
    case 'CREATE_VOLUMES':
    case 'DESTROY_VOLUMES':
    case 'GROW_VOLUME':
    case 'SHRINK_VOLUME':
      return changeResources(state, call, later, cx)
    case 'DRAIN_AGENT':
      return drainAgent(state, call.drain_agent, later, cx)
    case 'DEACTIVATE_AGENT':
      return deactivateAgent(state, call.deactivate_agent, later, cx)
    case 'REACTIVATE_AGENT':
      return reactivateAgent(state, call.reactivate_agent, later, cx)
    case 'MARK_AGENT_GONE':
      return markGone(state, call.mark_agent_gone.agent_id.value, later, cx)
    case 'GET_MAINTENANCE_SCHEDULE':
      return listed({ get_maintenance_schedule: { schedule: scheduleDocument(state) } })
    case 'GET_MAINTENANCE_STATUS':
      return listed({ get_maintenance_status: { status: statusDocument(state) } })
    case 'UPDATE_MAINTENANCE_SCHEDULE':
      return updateSchedule(state, call.update_maintenance_schedule.schedule, later, cx)
    case 'START_MAINTENANCE':
      return startMaintenance(state, call.start_maintenance.machines, later, cx)
    case 'STOP_MAINTENANCE':
      return stopMaintenance(state, call.stop_maintenance.machines, later, cx)
    case 'GET_QUOTA':
      return surveyed(function* (usage) {
        const configs = quotasDocument(state, yield* accountsOf(state, usage))
        return { get_quota: { status: { configs } } }
      })
    case 'UPDATE_QUOTA': {
      const { quota_configs, force = false } = call.update_quota
      return surveyProblem(state) ?? updateQuota(state, quota_configs, force, later, cx)
    }
    case 'GET_WEIGHTS': {
      const weight_infos = [...state.weights].map(([role, weight]) => ({ role, weight }))
      return listed({ get_weights: { weight_infos } })
    }
    case 'UPDATE_WEIGHTS':
      return updateWeights(state, call.update_weights.weight_infos, later, cx)
    case 'EXPLAIN_OFFERS':
      return explainOffers(
        state,
        call.explain_offers,
        (outcome) => (outcome.ok ? listed(outcome.value) : later(outcome)),
        cx,
      )
    case 'RESCIND_OFFERS':
      return rescindSelected(state, call.rescind_offers, later, cx)
    case 'WATCH_OFFERS':
      return ok(watchOffers(state, cx))
    case 'TEARDOWN':
      return teardown(state, call.teardown.framework_id.value, cx)
    case 'KILL_TASK':
      return kill(state, call.kill_task, cx)
  }
}

function flags({ options }: MasterState) {
  return Object.entries(options).map(([name, value]) => ({ name, value: String(value) }))
}

function teardown(state: MasterState, id: string, cx: Context): Result<object, Failure> {
  const framework = state.frameworks.get(id)
  if (framework === undefined) return err(failure('NOT_FOUND', { kind: 'framework', id }))
  removeFramework(state, framework, 'an operator tore it down', cx)
  return ok({})
}

function kill(
  state: MasterState,
  { framework_id, task_id, kill_policy }: Extract<MasterCall, { type: 'KILL_TASK' }>['kill_task'],
  cx: Context,
): Result<object, Failure> {
  const found: Task[] = []
  for (const framework of state.frameworks.values()) {
    if (framework_id !== undefined && framework_id.value !== framework.id) continue
    const task = framework.tasks.get(task_id.value)
    if (task !== undefined) found.push(task)
  }
  const [task] = found
  if (task === undefined) return err(failure('NOT_FOUND', { kind: 'task', id: task_id.value }))
  if (found.length > 1) {
    const candidates = found.slice(0, 10).map((each) => `in framework ${each.framework_id.value}`)
    return err(failure('AMBIGUOUS_ID', { id: task_id.value, count: found.length, candidates }))
  }
  killTask(state, task, kill_policy, cx)
  return ok({})
}
