/**
 * Why an agent is or is not offered to a framework, as things stand after the last run over it. Asks the
 * same questions as a run does, in the same order; runs keep nothing for it but who was given what last.
 */
import {
  EXPLANATIONS_MAX,
  type Explain,
  type Explanation,
  type OfferReason,
} from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import type { Payload, Reply } from '../../protocol/message.ts'
import { ok, type Result } from '../../protocol/result.ts'
import {
  formatQuantities,
  quantitiesOf,
  reservationRole,
  subtract,
  sum,
} from '../../src/resources/index.ts'
import { type Bundle, bundleOf, EMPTY } from './bundle.ts'
import { chop } from './chop.ts'
import type { Agent, Client, Cluster, Holding } from './cluster.ts'
import { isWorthwhile, missingCapability, portionOf, shownTo } from './eligibility.ts'
import { refusedUntil } from './filters.ts'
import { availableOf, holdingOf } from './ledger.ts'
import { ALL, type Allowance, NOTHING } from './quota.ts'
import type { Awaited } from './recovery.ts'
import { rivalry } from './rivalry.ts'

/** What it looks at. */
interface Subject {
  readonly cluster: Cluster
  readonly awaited: Awaited | undefined
}

/** What is said of one agent and role. */
interface Verdict {
  readonly reason: OfferReason
  readonly message: string
  readonly seconds?: number
}

/** Answers EXPLAIN: as many agents as fit, at least one. */
export function explain(
  state: Subject,
  { framework_id, agent_id, offset }: Payload<typeof Explain>,
  nowMs: number,
): Result<Reply<typeof Explain>, Failure> {
  const { frameworks, agents } = state.cluster
  const framework = frameworks.get(framework_id)
  if (!framework?.known) return fail('NOT_FOUND', { kind: 'framework', id: framework_id })
  const only = agent_id === undefined ? undefined : agents.get(agent_id)
  if (agent_id !== undefined && only === undefined) {
    return fail('NOT_FOUND', { kind: 'agent', id: agent_id })
  }
  const clients = [...framework.clients.values()].filter(({ subscribed }) => subscribed)
  const explanations: Explanation[] = []
  let at = 0
  for (const agent of only === undefined ? agents.values() : [only]) {
    if (at++ < offset) continue
    if (explanations.length > 0 && explanations.length + clients.length > EXPLANATIONS_MAX) {
      return ok({ explanations, next: at - 1 })
    }
    for (const client of clients) {
      const verdict = verdictOn(state, client, agent, nowMs)
      explanations.push({ agent_id: agent.id, role: client.role, ...verdict })
    }
  }
  return ok({ explanations })
}

function verdictOn(state: Subject, client: Client, agent: Agent, nowMs: number): Verdict {
  const { cluster } = state
  const barred = barrierOf(state, client, agent, nowMs)
  if (barred !== undefined) return barred
  const given = agent.holdings.filter(({ run }) => run > 0 && run === agent.run)
  const own = given.find((holding) => holding.client === client)
  if (own !== undefined) {
    return { reason: 'HELD', message: `it has been given ${amounts(own.latest)} of it` }
  }
  const free = availableOf(cluster, agent)
  const obstacle = obstacleOf(cluster, client, agent, free, nowMs)
  if (obstacle === undefined) {
    const message = 'nothing stands against it: it will be offered in one of the next cycles'
    return { reason: 'OFFERABLE', message }
  }
  if (given.length > 0) return rivals(cluster, client, agent, given, nowMs) ?? obstacle
  const holding = obstacle.reason === 'NOTHING_FREE' ? holdingOf(agent, client) : undefined
  if (holding === undefined) return obstacle
  const message = `it has ${amounts(holding.bundle)} of it, and nothing else is free`
  return { reason: 'HELD', message }
}

/** What stands against any offer of the agent, whatever is free on it. */
function barrierOf(
  { cluster, awaited }: Subject,
  client: Client,
  agent: Agent,
  nowMs: number,
): Verdict | undefined {
  const { framework, role } = client
  if (!framework.active) {
    return { reason: 'FRAMEWORK_INACTIVE', message: 'the framework does not listen' }
  }
  if (client.suppressed) {
    return { reason: 'SUPPRESSED', message: `it has suppressed offers for role '${role}'` }
  }
  if (awaited !== undefined) {
    const seconds = Math.max(0, awaited.untilMs - nowMs) / 1000
    const message = `${cluster.agents.size} agents are back after the failover; offers are made to nobody before there are ${awaited.agents}`
    return { reason: 'RECOVERING', message, seconds }
  }
  if (!agent.active) {
    return { reason: 'AGENT_INACTIVE', message: 'the agent may not be offered at present' }
  }
  if (!agent.listed) {
    return { reason: 'NOT_WHITELISTED', message: `the whitelist does not have ${agent.hostname}` }
  }
  const missing = missingCapability(agent, client)
  return missing === undefined ? undefined : { reason: 'CAPABILITY', message: missing }
}

/** What keeps the client from being offered the agent if this is free on it. */
function obstacleOf(
  cluster: Cluster,
  client: Client,
  agent: Agent,
  free: Bundle,
  nowMs: number,
): Verdict | undefined {
  if (free === EMPTY) return { reason: 'NOTHING_FREE', message: 'all of it is used by others' }
  const portion = portionOf(free, client.role, false, cluster.names)
  if (portion === EMPTY) {
    const roles = [...new Set(free.resources.map(reservationRole))].join(', ')
    return { reason: 'RESERVED', message: `what is free is reserved to ${roles}` }
  }
  const { allowed, bar } = withinQuota(cluster, client, portion)
  const shown = shownTo(client, allowed, cluster.names)
  if (!isWorthwhile(shown, client.minimums ?? cluster.settings.minAllocatable)) {
    if (bar !== undefined) return bar
    const reason = shown === allowed ? 'BELOW_MINIMUM' : 'CAPABILITY'
    const message =
      reason === 'BELOW_MINIMUM'
        ? `what is free (${amounts(shown)}) is less than what is worth an offer`
        : `what is free (${amounts(allowed)}) is revocable, shared or reserved in several steps, which the framework does not ask for`
    return { reason, message }
  }
  if (client.admits !== undefined && !client.admits(agent)) {
    return { reason: 'CONSTRAINT', message: 'its offer constraints exclude the agent' }
  }
  const untilMs = refusedUntil(client.filters, agent, shown, nowMs)
  if (untilMs === undefined) return undefined
  const message = `it has declined ${amounts(shown)} of it`
  return { reason: 'REFUSED', message, seconds: Math.max(0, untilMs - nowMs) / 1000 }
}

/** What quotas leave the client, and what keeps it from the rest. */
function withinQuota(
  { quotas, names, random }: Cluster,
  { quota }: Client,
  portion: Bundle,
): { readonly allowed: Bundle; readonly bar: Verdict | undefined } {
  const { plain } = portion
  const kept = new Float64Array(plain.length)
  let allowance: Allowance = quota?.unmet ? quotas.allow(quota, plain, true, kept) : NOTHING
  if (allowance === NOTHING) allowance = quotas.allow(quota, plain, false, kept)
  if (allowance === ALL) return { allowed: portion, bar: undefined }
  const allowed = chop(portion, kept, names, random)
  const limited = quota?.limits.some((limit, i) => limit - quota.consumed[i]! < (plain[i] ?? 0))
  const bar: Verdict = limited
    ? {
        reason: 'QUOTA_LIMIT',
        message: `the limit of role '${quota!.role}' leaves it ${amounts(allowed)} of what is free`,
      }
    : {
        reason: 'HEADROOM',
        message: `what is free is held back for what is guaranteed to ${quotas.waiting.join(', ')}`,
      }
  return { allowed, bar }
}

/** Whether others had in the last run what the client could have been offered, and why they came first. */
function rivals(
  cluster: Cluster,
  client: Client,
  agent: Agent,
  given: readonly Holding[],
  nowMs: number,
): Verdict | undefined {
  const kept = agent.holdings.map((holding) =>
    given.includes(holding)
      ? subtract(holding.bundle.resources, holding.latest.resources)
      : holding.bundle.resources,
  )
  const before = bundleOf(subtract(agent.total.resources, sum(kept)), cluster.names)
  const obstacle = obstacleOf(cluster, client, agent, before, nowMs)
  if (obstacle !== undefined) return obstacle
  const [first] = given
  const { framework, role } = first!.client
  const why = rivalry(cluster, first!.client, client)
  const message = `framework ${framework.id} in role '${role}' came first ${why}`
  return { reason: 'NOT_NEXT', message }
}

function amounts({ resources }: Bundle): string {
  return formatQuantities(quantitiesOf(resources)) || 'nothing'
}
