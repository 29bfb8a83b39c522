/** R2: what operators were answered is in force under every leader (simulation.md §9). */
import type { MasterState } from '../../actors/master/state.ts'
import type { Cluster } from './cluster.ts'
import type { Decisions } from './decisions.ts'
import { Violation } from './history.ts'
import { quotaText } from './operator-calls.ts'
import { leaderOf } from './views.ts'

/** What the registry says, as the leader has it. */
export type Ruled = {
  readonly [K in 'agents' | 'unreachable' | 'recovered' | 'gone' | 'quotas' | 'weights']: Pick<
    MasterState[K],
    'has' | 'get'
  >
} & {
  readonly deactivated: Pick<MasterState['deactivated'], 'has'>
  readonly options: Pick<MasterState['options'], 'registry_max_agent_age_ms'>
}

export function checkDecisions(cluster: Cluster): void {
  const leader = leaderOf(cluster)
  if (leader !== undefined)
    checkDecided(cluster.operators.decisions, leader.master, leader.host.name)
}

/** @throws Violation R2; forgets what the registry has left out */
export function checkDecided(decisions: Decisions, master: Ruled, name: string): void {
  for (const [subject, value] of [...decisions.sure()]) {
    if (isForgotten(master, subject, value)) {
      decisions.forget(subject)
      continue
    }
    const held = heldBy(master, subject, value)
    if (held !== value)
      throw new Violation('R2', `${subject} was to be ${value}, at ${name} it is ${held}`)
  }
}

function heldBy(master: Ruled, subject: string, value: string): string {
  const [kind, name = ''] = subject.split(' ')
  switch (kind) {
    case 'quota':
      return quotaText(master.quotas.get(name) ?? { role: name })
    case 'weight':
      return String(master.weights.get(name) ?? 1)
    default:
      if (master.gone.has(name)) return 'gone'
      if (value === 'gone' && isForgetful(master)) return value
      // An agent that has left takes with it whether it was in service.
      if (value !== 'gone' && !master.agents.has(name)) return value
      return master.deactivated.has(name) ? 'out' : 'in'
  }
}

/**
 * Whether the registry holds nothing of an agent any more: it was missing for so long that it was left out.
 * Should it come back it is a new one, and in service.
 */
function isForgotten(master: Ruled, subject: string, value: string): boolean {
  const [kind, name = ''] = subject.split(' ')
  if (kind !== 'agent' || value === 'gone') return false
  const { agents, unreachable, recovered } = master
  return !agents.has(name) && !unreachable.has(name) && !recovered.has(name)
}

/**
 * Whether who was gone for long enough is forgotten within the run: long by the clocks of the masters, which
 * jump.
 */
export function isForgetful({ options }: Pick<Ruled, 'options'>): boolean {
  return options.registry_max_agent_age_ms < 86_400_000
}
