/** Which agents could take a task now, and what the others lack: `meseta run --plan`. Pure. */

import type { Attribute } from '../../protocol/v1/resources.ts'
import type { AgentState } from '../../protocol/v1/state.ts'
import type { Request } from '../framework/index.ts'
import { formatAttributes } from '../resources/index.ts'
import { amountsOf, number } from './amounts.ts'

/** What a task wants besides resources. */
export interface Wish {
  readonly request: Request
  /** Each must be among the agent's, written the same way: `rack:r7`. */
  readonly attributes: readonly string[]
}

/** One agent's answer. */
export interface Verdict {
  readonly agentId: string
  readonly hostname: string
  /** How many such tasks it could take at once; 0: none. */
  readonly fits: number
  /** Why not, one sentence for each dimension that failed. Empty if it could. */
  readonly lacks: readonly string[]
}

const dimensions = ['cpus', 'mem', 'disk'] as const

/** Judges what is neither used nor offered to anybody. Reservations of other roles count as free. */
export function judge(agent: AgentState, { request, attributes }: Wish): Verdict {
  const total = amountsOf(agent.total_resources)
  const used = amountsOf(agent.allocated_resources)
  const offered = amountsOf(agent.offered_resources)
  const lacks: string[] = []
  let fits = Number.POSITIVE_INFINITY
  if (!agent.active) lacks.push('the agent is not active')
  for (const name of dimensions) {
    const wanted = Math.round((request[name] ?? 0) * 1000)
    if (wanted === 0) continue
    const held = offered.get(name) ?? 0
    const free = (total.get(name) ?? 0) - (used.get(name) ?? 0) - held
    fits = Math.min(fits, Math.floor(free / wanted))
    if (free >= wanted) continue
    const also = held > 0 ? `, ${number(held)} offered to others` : ''
    lacks.push(
      `${name}: wants ${number(wanted)}, ${number(Math.max(0, free))} of ${number(total.get(name) ?? 0)} free${also}`,
    )
  }
  for (const attribute of attributes) {
    if (!hasAttribute(agent.agent_info.attributes ?? [], attribute)) {
      lacks.push(`attribute: wants ${attribute}`)
    }
  }
  return {
    agentId: agent.agent_info.id?.value ?? '',
    hostname: agent.agent_info.hostname,
    fits: lacks.length > 0 ? 0 : Math.max(0, fits),
    lacks,
  }
}

/** Whether one of the attributes is written just so: `rack:r7`. */
export function hasAttribute(attributes: readonly Attribute[], wanted: string): boolean {
  return attributes.some((attribute) => formatAttributes([attribute]) === wanted)
}
