/**
 * How much is there, in use and on offer, in the whole cluster: one look at every agent with its tasks and
 * offers, for the answers that sum them up. It is made in slices and goes from agent to agent while they
 * change: each counts as it was when it was looked at.
 *
 * Whoever asks while a look is under way waits for the next one, which all share that have asked meanwhile:
 * so an answer never tells of what was before its question, and any number of askers costs one look at a time.
 */
import { type Failure, fail } from '../../protocol/errors.ts'
import type { Result } from '../../protocol/result.ts'
import type { TaskState } from '../../protocol/v1/index.ts'
import type { Resources } from '../../src/resources/index.ts'
import { type Context, inSlices } from '../../src/runtime/index.ts'
import { count, holdsResources, type Tally } from './shares.ts'
import type { Agent, MasterState } from './state.ts'

/** Of one framework. */
export interface FrameworkUsage {
  /** What its tasks and executors use; each resource says its role. */
  readonly used: Tally
  /** By role. */
  readonly offered: Map<string, Tally>
}

export interface Usage {
  /** What all agents have. */
  readonly totals: Map<Resources, number>
  /** By framework id; of those that hold or are offered something, also if they are not in the books. */
  readonly frameworks: Map<string, FrameworkUsage>
  /** Not acknowledged ones that have ended among them. */
  readonly tasks: Map<TaskState, number>
  agents: number
  connectedAgents: number
}

/** Takes what was found. Yields where others may have their turn. */
export type Asker = (usage: Usage) => Iterator<unknown, void>

/** Looks under way and asked for; of a master. */
export interface Surveys {
  underWay: boolean
  readonly waiting: Asker[]
}

/** Calls that may wait for the next look. */
const WAITING_MAX = 1000

/** Has the cluster looked at from now on, for `ask`, which may go on in this turn already. */
export function survey(state: MasterState, ask: Asker, cx: Context): void {
  const { surveys } = state
  surveys.waiting.push(ask)
  if (!surveys.underWay) begin(state, cx)
}

/** The refusal of a call that needs a survey, when too many wait for one. */
export function surveyProblem({ surveys }: MasterState): Result<never, Failure> | undefined {
  if (surveys.waiting.length < WAITING_MAX) return undefined
  return fail('RATE_LIMITED', { sender: 'operators', limit: WAITING_MAX })
}

function begin(state: MasterState, cx: Context): void {
  const { surveys } = state
  const askers = surveys.waiting.splice(0)
  surveys.underWay = askers.length > 0
  if (surveys.underWay) inSlices(serve(state, askers), cx, () => begin(state, cx))
}

function* serve(state: MasterState, askers: readonly Asker[]): Generator<void, void> {
  const usage = yield* measureUsage(state)
  for (const ask of askers) {
    yield
    const steps = ask(usage)
    while (!steps.next().done) yield
  }
}

/** Looks at one agent a step. */
export function* measureUsage(state: MasterState): Generator<void, Usage> {
  const usage: Usage = {
    totals: new Map(),
    frameworks: new Map(),
    tasks: new Map(),
    agents: 0,
    connectedAgents: 0,
  }
  for (const agent of state.agents.values()) {
    lookAt(agent, usage)
    yield
  }
  return usage
}

function lookAt(agent: Agent, usage: Usage): void {
  usage.agents++
  if (agent.connected) usage.connectedAgents++
  count(usage.totals, agent.total)
  for (const task of agent.tasks) {
    const { state, framework_id, resources } = task
    usage.tasks.set(state, (usage.tasks.get(state) ?? 0) + 1)
    if (holdsResources(task)) count(ofFramework(usage, framework_id.value).used, resources)
  }
  for (const [frameworkId, executors] of agent.executors) {
    const { used } = ofFramework(usage, frameworkId)
    for (const { resources } of executors.values()) count(used, resources)
  }
  for (const { framework, share } of agent.offers) {
    const { offered } = ofFramework(usage, framework.id)
    let tally = offered.get(share.role)
    if (tally === undefined) {
      tally = new Map()
      offered.set(share.role, tally)
    }
    count(tally, share.resources)
  }
}

function ofFramework({ frameworks }: Usage, id: string): FrameworkUsage {
  let found = frameworks.get(id)
  if (found === undefined) {
    found = { used: new Map(), offered: new Map() }
    frameworks.set(id, found)
  }
  return found
}
