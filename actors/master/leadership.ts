/**
 * The beginning of leadership: from here on this master answers where the leader answers, tells everybody
 * that it leads, and starts the clock for the agents that the registry knows. Spec: master.md §2, §6.
 */
import { Recover, UpdateWeights } from '../../protocol/allocator.ts'
import { encode, formatOf } from '../../protocol/codec.ts'
import { MesetaError } from '../../protocol/errors.ts'
import type { Leader } from '../../protocol/leader.ts'
import type { Context } from '../../src/runtime/index.ts'
import { announce } from './events.ts'
import { CONTROL, openIntakes } from './intake.ts'
import { listenForSilence } from './liveness.ts'
import { prunePeriodically } from './prune.ts'
import { store } from './registry.ts'
import type { MasterState } from './state.ts'
import { markMissing } from './unreachable.ts'
import { watchWhitelist } from './whitelist.ts'

/**
 * Agents that come back in a second, at most. If all of a large cluster came at once, the word of the
 * replicas that extends the lease would wait behind theirs until the lease has ended (failover.md §2.8).
 */
const RETURNS_PER_SECOND = 2500

export function lead(state: MasterState, cx: Context): void {
  state.electedMs = cx.now()
  const answer = (data: Uint8Array) => encode(describeLeader(state, cx), formatOf(data))
  cx.subscribe(
    state.subjects.leader,
    ({ data, reply }) => {
      if (reply !== undefined) cx.publish(reply, answer(data), { lane: CONTROL })
    },
    { lane: CONTROL, urgent: true },
  )
  listenForSilence(state, cx)
  openIntakes(state.options.max_queued_calls_per_framework, state.rates, cx)
  const quota_configs = [...state.quotas.values()]
  cx.send(state.allocator, Recover, { agents: state.recovered.size, quota_configs })
  settleWeights(state, cx)
  watchWhitelist(state, cx)
  announce(
    state,
    'leader',
    state.info.id,
    {
      type: 'LEADER_ELECTED',
      leader_elected: { master_info: state.info },
    },
    cx,
  )
  const admitted = state.recovered.size
  cx.after('recovered agents', state.options.agent_reregister_timeout_ms, () =>
    markMissing(state, admitted, cx),
  )
  prunePeriodically(state, cx)
  cx.log('info', 'leads', { epoch: state.epoch, recovered: state.recovered.size })
}

function describeLeader({ epoch, info, agents, recovered }: MasterState, cx: Context): Leader {
  const registration_spread_ms = ((agents.size + recovered.size) / RETURNS_PER_SECOND) * 1000
  return { pid: cx.self, epoch, master_info: info, registration_spread_ms }
}

/** Weights of the registry win over the option; the option's are stored if there are none (master.md §2). */
function settleWeights(state: MasterState, cx: Context): void {
  const configured = parseWeights(state.options.weights)
  if (state.weights.size === 0 && configured.size > 0) {
    const weights = Object.fromEntries(configured)
    store(state, [{ type: 'UPDATE_WEIGHTS', weights }], cx, () => undefined)
    for (const [role, weight] of configured) state.weights.set(role, weight)
  }
  if (state.weights.size > 0) {
    cx.send(state.allocator, UpdateWeights, { weights: Object.fromEntries(state.weights) })
  }
}

/**
 * Reads `ROLE=WEIGHT` pairs.
 * @throws Error naming the pair that is none
 */
export function parseWeights(pairs: readonly string[]): Map<string, number> {
  return new Map(
    pairs.map((pair) => {
      const at = pair.lastIndexOf('=')
      const weight = Number(pair.slice(at + 1))
      if (at < 1 || !(weight > 0) || !Number.isFinite(weight)) {
        const problem = `weights: '${pair}' must be ROLE=WEIGHT with a weight above 0`
        throw new MesetaError('USAGE', { problem })
      }
      return [pair.slice(0, at), weight] as const
    }),
  )
}
