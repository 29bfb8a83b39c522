/** Offer constraints: which agents a framework wants to be offered. Spec: scheduler-api.md §5. */
import type { AttributeConstraint, OfferConstraints } from '../../protocol/v1/framework.ts'
import type { Attribute } from '../../protocol/v1/resources.ts'
import { compilePattern } from '../../src/regex/pattern.ts'
import type { Agent } from './cluster.ts'

/** Whether an agent passes. */
export type Admission = (agent: Agent) => boolean

/** What a predicate is asked about: text, the absence of an attribute, or one that is no text. */
type Value = string | typeof ABSENT | typeof NOT_TEXT
const ABSENT = Symbol('absent')
const NOT_TEXT = Symbol('not text')

/** The constraints of one role; undefined if it has none. Groups are OR-ed, what is in one AND-ed. */
export function admissionOf(
  constraints: OfferConstraints | undefined,
  role: string,
): Admission | undefined {
  const groups = constraints?.role_constraints?.[role]?.groups
  if (groups === undefined) return undefined
  const tests = groups.map((group) => (group.attribute_constraints ?? []).map(testOf))
  return remembered((agent) => tests.some((group) => group.every((test) => test(agent))))
}

/** Asks once for each agent and set of attributes: the rest of what constraints look at never changes. */
function remembered(test: Admission): Admission {
  const verdicts = new WeakMap<Agent, { attributes: readonly Attribute[]; admitted: boolean }>()
  return (agent) => {
    const known = verdicts.get(agent)
    if (known?.attributes === agent.attributes) return known.admitted
    const admitted = test(agent)
    verdicts.set(agent, { attributes: agent.attributes, admitted })
    return admitted
  }
}

function testOf({ selector, predicate }: AttributeConstraint): Admission {
  const select = selectorOf(selector)
  const holds = predicateOf(predicate)
  return (agent) => holds(select(agent))
}

function selectorOf(selector: AttributeConstraint['selector']): (agent: Agent) => Value {
  switch (selector.pseudoattribute_type) {
    case 'HOSTNAME':
      return (agent) => agent.hostname
    case 'REGION':
      return (agent) => agent.domain?.fault_domain?.region.name ?? ABSENT
    case 'ZONE':
      return (agent) => agent.domain?.fault_domain?.zone.name ?? ABSENT
    default:
      return (agent) => {
        const found = agent.attributes.find(({ name }) => name === selector.attribute_name)
        if (found === undefined) return ABSENT
        return found.type === 'TEXT' ? (found.text?.value ?? '') : NOT_TEXT
      }
  }
}

/** Attributes that are no text satisfy every predicate on text; absent ones only the negations. */
function predicateOf(predicate: AttributeConstraint['predicate']): (value: Value) => boolean {
  const { text_equals, text_not_equals, text_matches, text_not_matches } = predicate
  if (predicate.exists) return (value) => value !== ABSENT
  if (predicate.not_exists) return (value) => value === ABSENT
  if (text_equals) return (value) => value === NOT_TEXT || value === text_equals.value
  if (text_not_equals) return (value) => value === NOT_TEXT || value !== text_not_equals.value
  const regex = text_matches?.regex ?? text_not_matches?.regex
  const pattern = regex === undefined ? undefined : compilePattern(regex)
  // The master refuses what it cannot read; if such a thing comes through, no agent fits.
  if (!pattern?.ok) return () => false
  const wanted = text_matches !== undefined
  return (value) => {
    if (value === NOT_TEXT) return true
    return typeof value === 'string' ? pattern.value(value) === wanted : !wanted
  }
}
