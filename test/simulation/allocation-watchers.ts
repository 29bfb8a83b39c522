/** What the rules about refusals look for between masters and their allocators. */
import type {
  AddAgents,
  Allocation,
  FrameworkOptions,
  RecoverResources,
  SuppressOffers,
  UpdateUnavailability,
} from '../../protocol/allocator.ts'
import type { Payload } from '../../protocol/message.ts'
import type { SimulatedHost } from './host.ts'
import type { Watcher } from './message-log.ts'
import { Refusals } from './refusal-rules.ts'

export function allocationWatchers(): Array<[string, Watcher]> {
  const known = new Map<SimulatedHost, Refusals>()
  const of = (host: SimulatedHost): Refusals => {
    const refusals = known.get(host) ?? new Refusals()
    known.set(host, refusals)
    return refusals
  }
  const framework: Watcher = (host, { body }) => {
    const { framework_id } = body as { readonly framework_id: string }
    of(host).revived(framework_id)
  }
  const options: Watcher = (host, { body }) => {
    const { framework: each } = body as { readonly framework: FrameworkOptions }
    const { framework_id, suppressed_roles } = each
    of(host).revived(framework_id)
    if (suppressed_roles.length === 0) return
    of(host).suppressed(framework_id, suppressed_roles, host.clock.monotonic())
  }
  const agent: Watcher = (host, { body }) => {
    of(host).changed((body as { readonly agent_id: string }).agent_id)
  }
  const agents: Watcher = (host, { body }) => {
    const all = body as Payload<typeof AddAgents> | Payload<typeof UpdateUnavailability>
    for (const { agent_id } of all.agents) of(host).changed(agent_id)
  }
  return [
    ['ADD_FRAMEWORK', options],
    ['UPDATE_FRAMEWORK_OPTIONS', options],
    ['REMOVE_FRAMEWORK', framework],
    ['DEACTIVATE_FRAMEWORK', framework],
    ['REVIVE_OFFERS', framework],
    ['ADD_AGENTS', agents],
    ['UPDATE_UNAVAILABILITY', agents],
    ['UPDATE_AGENT', agent],
    ['REMOVE_AGENT', agent],
    [
      'SUPPRESS_OFFERS',
      (host, { body }) => {
        const { framework_id, roles } = body as Payload<typeof SuppressOffers>
        of(host).suppressed(framework_id, roles, host.clock.monotonic())
      },
    ],
    [
      'RECOVER_RESOURCES',
      (host, { body }) => {
        const { shares, refuse_seconds = 0 } = body as Payload<typeof RecoverResources>
        if (refuse_seconds <= 0) return
        const nowMs = host.clock.monotonic()
        for (const share of shares) of(host).refused(share, refuse_seconds * 1000, nowMs)
      },
    ],
    [
      'ALLOCATION',
      (host, { body }) => {
        const nowMs = host.clock.monotonic()
        for (const share of (body as Payload<typeof Allocation>).shares)
          of(host).allocated(share, nowMs)
      },
    ],
  ]
}
