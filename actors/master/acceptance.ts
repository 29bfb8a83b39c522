/** One ACCEPT under way: what its operations share. Spec: scheduler-api.md §6, steps E and F. */
import {
  add,
  additionalCopies,
  availableToLaunch,
  type Conversion,
  filter,
  isShared,
  none,
  type Resources,
  subtract,
} from '../../src/resources/index.ts'
import type { Context } from '../../src/runtime/index.ts'
import type { Agent, Framework, MasterState } from './state.ts'

export interface Acceptance {
  readonly state: MasterState
  readonly framework: Framework
  readonly agent: Agent
  /** The role of the offers. All resources here are its, and say so nowhere. */
  readonly role: string
  readonly cx: Context
  /** What the offers held. */
  readonly offered: Resources
  /** What the operations so far have left of it, or made of it. */
  remaining: Resources
  /** Shared volumes of the offers, or made of them: each for any number of tasks. */
  shared: Resources
  /** Volumes of another size, and what was taken from them: not for later operations of this ACCEPT. */
  resized: Resources
  /** What tasks and executors use. */
  used: Resources
  /** Copies of shared volumes that are used beyond those offered. */
  copies: Resources
  /** What the operations did. */
  readonly conversions: Conversion[]
  /** Operations on resources so far, failed ones too. */
  attempts: number
}

/** What a task may use. Shared volumes are there however often they are used already. */
export function availableTo({ remaining, shared }: Acceptance): Resources {
  return shared.length === 0 ? remaining : availableToLaunch(remaining, shared)
}

/** Enters what a task or an executor uses; copies of shared volumes are allocated on demand. */
export function use(acceptance: Acceptance, part: Resources): void {
  const { remaining, shared } = acceptance
  const copies = shared.length === 0 ? none : additionalCopies(remaining, part)
  acceptance.remaining = subtract(add(remaining, copies), part)
  acceptance.copies = add(acceptance.copies, copies)
  acceptance.used = add(acceptance.used, part)
}

export function newAcceptance(
  parts: Pick<Acceptance, 'state' | 'framework' | 'agent' | 'role' | 'cx' | 'offered'>,
): Acceptance {
  return {
    ...parts,
    remaining: parts.offered,
    shared: filter(parts.offered, isShared),
    resized: none,
    used: none,
    copies: none,
    conversions: [],
    attempts: 0,
  }
}
