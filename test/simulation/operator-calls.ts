/** The calls of simulated operators; of those that the registry keeps also what it must then hold. */
import type { MasterCall } from '../../protocol/operator.ts'
import type { QuotaConfig } from '../../protocol/v1/quota.ts'

type Kept = readonly [value: string, call: MasterCall]

/** Guarantees that many cpus to the role, and limits it to twice as many; 0: neither. */
export function quota(role: string, cpus: number): Kept {
  const config: QuotaConfig = { role }
  if (cpus > 0) {
    config.limits = { cpus: { value: 2 * cpus } }
    config.guarantees = { cpus: { value: cpus } }
  }
  const call: MasterCall = { type: 'UPDATE_QUOTA', update_quota: { quota_configs: [config] } }
  return [quotaText(config), call]
}

/** Equal for equal quotas. */
export function quotaText({ role, limits = {}, guarantees = {} }: QuotaConfig): string {
  return JSON.stringify({ role, limits, guarantees })
}

export function weight(role: string, weight: number): Kept {
  const update_weights = { weight_infos: [{ role, weight }] }
  return [String(weight), { type: 'UPDATE_WEIGHTS', update_weights }]
}

/** `out` of service, or back `in`. */
export function service(type: 'drain' | 'deactivate' | 'reactivate', agent: string): Kept {
  const agent_id = { value: agent }
  switch (type) {
    case 'drain': {
      const drain_agent = { agent_id, max_grace_period: { seconds: 2 } }
      return ['out', { type: 'DRAIN_AGENT', drain_agent }]
    }
    case 'deactivate':
      return ['out', { type: 'DEACTIVATE_AGENT', deactivate_agent: { agent_id } }]
    case 'reactivate':
      return ['in', { type: 'REACTIVATE_AGENT', reactivate_agent: { agent_id } }]
  }
}

/** Without an amount it is a mistake: for nobody. */
export function reservation(
  type: 'reserve' | 'unreserve',
  agent: string,
  role: string,
  value: number,
): MasterCall {
  const cpus = { name: 'cpus', type: 'SCALAR' as const, scalar: { value: Math.max(0.5, value) } }
  const reservations = [{ type: 'DYNAMIC' as const, role }]
  const resources = value > 0 ? [{ ...cpus, reservations }] : [cpus]
  const body = { agent_id: { value: agent }, resources }
  return type === 'reserve'
    ? { type: 'RESERVE_RESOURCES', reserve_resources: body }
    : { type: 'UNRESERVE_RESOURCES', unreserve_resources: body }
}
