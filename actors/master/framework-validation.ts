/** Whether a framework may subscribe as it says it is. Pure. Spec: scheduler-api.md §2. */
import type { FrameworkInfo, OfferConstraints } from '../../protocol/v1/index.ts'
import { compilePattern } from '../../src/regex/pattern.ts'
import { roleNameError } from '../../src/resources/index.ts'

/** What SUBSCRIBE and UPDATE_FRAMEWORK carry. */
export interface Subscription {
  readonly framework_info: FrameworkInfo
  readonly suppressed_roles?: readonly string[]
  readonly offer_constraints?: OfferConstraints
}

/** Seconds that an int64 of nanoseconds holds. */
const DURATION_SECONDS_MAX = 2 ** 63 / 1e9

/** Roles are entries of maps in master and allocator, for each framework. */
const ROLES_MAX = 1000

/** The first rule that is broken, as a sentence that names the field. */
export function subscriptionProblem(subscription: Subscription): string | undefined {
  const { framework_info: info, suppressed_roles, offer_constraints } = subscription
  const multiRole = info.capabilities?.some(({ type }) => type === 'MULTI_ROLE') === true
  const roles = multiRole ? (info.roles ?? []) : [info.role ?? '*']
  return (
    rolesProblem(info, multiRole, roles) ??
    failoverProblem(info.failover_timeout) ??
    filtersProblem(info) ??
    suppressedProblem(suppressed_roles ?? [], roles) ??
    constraintsProblem(offer_constraints, roles)
  )
}

/** What must stay as it was when a known framework changes its info (scheduler-api.md §2, §8). */
export function changeProblem(former: FrameworkInfo, next: FrameworkInfo): string | undefined {
  if (former.principal === next.principal) return undefined
  return 'framework_info.principal: must not change'
}

function rolesProblem(
  info: FrameworkInfo,
  multiRole: boolean,
  roles: readonly string[],
): string | undefined {
  if (multiRole && info.role !== undefined) {
    return 'framework_info.role: must not be set with MULTI_ROLE, use roles'
  }
  if (!multiRole && (info.roles?.length ?? 0) > 0) {
    return 'framework_info.roles: needs the capability MULTI_ROLE'
  }
  if (roles.length > ROLES_MAX) return `framework_info.roles: at most ${ROLES_MAX} are taken`
  if (new Set(roles).size < roles.length) return 'framework_info.roles: must not hold one twice'
  for (const role of roles) {
    const problem = roleNameError(role)
    if (problem !== undefined) return `framework_info.roles: '${role}' ${problem}`
  }
  return undefined
}

function failoverProblem(seconds = 0): string | undefined {
  return Math.abs(seconds) < DURATION_SECONDS_MAX
    ? undefined
    : 'framework_info.failover_timeout: must fit 64 bits of nanoseconds'
}

function filtersProblem({ offer_filters = {} }: FrameworkInfo): string | undefined {
  for (const [role, filters] of Object.entries(offer_filters)) {
    for (const { quantities = {} } of filters.min_allocatable_resources?.quantities ?? []) {
      const place = `framework_info.offer_filters.${role}.min_allocatable_resources`
      const values = Object.values(quantities)
      if (values.length === 0) return `${place}: must hold quantities`
      if (values.some(({ value }) => !(value >= 0 && Number.isFinite(value)))) {
        return `${place}: must hold quantities of at least 0`
      }
    }
  }
  return undefined
}

function suppressedProblem(
  suppressed: readonly string[],
  roles: readonly string[],
): string | undefined {
  const stranger = suppressed.find((role) => !roles.includes(role))
  if (stranger === undefined) return undefined
  return `suppressed_roles: '${stranger}' is no role of the framework`
}

const predicates = [
  'exists',
  'not_exists',
  'text_equals',
  'text_not_equals',
  'text_matches',
  'text_not_matches',
] as const

function constraintsProblem(
  constraints: OfferConstraints | undefined,
  roles: readonly string[],
): string | undefined {
  for (const [role, { groups = [] }] of Object.entries(constraints?.role_constraints ?? {})) {
    const place = `offer_constraints.${role}`
    if (!roles.includes(role)) return `${place}: is no role of the framework`
    if (groups.length === 0) return `${place}.groups: must not be empty`
    for (const { attribute_constraints: list = [] } of groups) {
      if (list.length === 0) return `${place}.groups: must not hold an empty group`
      for (const { selector, predicate } of list) {
        const pseudo = selector.pseudoattribute_type
        const named = selector.attribute_name !== undefined
        if (named === (pseudo !== undefined && pseudo !== 'UNKNOWN')) {
          return `${place}: a selector must name an attribute or a pseudo-attribute`
        }
        if (predicates.filter((name) => predicate[name] !== undefined).length !== 1) {
          return `${place}: a predicate must be exactly one of ${predicates.join(', ')}`
        }
        const regex = predicate.text_matches?.regex ?? predicate.text_not_matches?.regex
        const pattern = regex === undefined ? undefined : compilePattern(regex)
        if (pattern?.ok === false) return `${place}: '${regex}': ${pattern.error}`
      }
    }
  }
  return undefined
}
