/** Weights of roles: how much each is to have beside the others. Spec: master.md §14, operator-api.md §B.1. */
import { UpdateWeights } from '../../protocol/allocator.ts'
import { type Failure, fail } from '../../protocol/errors.ts'
import type { WeightInfo } from '../../protocol/operator.ts'
import { ok, type Result } from '../../protocol/result.ts'
import { roleNameError } from '../../src/resources/index.ts'
import { type Context, inSlices } from '../../src/runtime/index.ts'
import { rescindAll } from './offers.ts'
import type { Answer } from './operator.ts'
import { store } from './registry.ts'
import type { MasterState } from './state.ts'

/** UPDATE_WEIGHTS. If a role is in use, offers were made by weights that are no more: all are withdrawn. */
export function updateWeights(
  state: MasterState,
  infos: readonly WeightInfo[],
  later: Answer,
  cx: Context,
): Result<object, Failure> | undefined {
  const problem = weightProblem(infos)
  if (problem !== undefined) {
    return fail('INVALID_MESSAGE', { problem: `update_weights.weight_infos${problem}` })
  }
  const weights = Object.fromEntries(infos.map(({ role, weight }) => [roleOf(role), weight]))
  store(state, [{ type: 'UPDATE_WEIGHTS', weights }], cx, () => {
    for (const [role, weight] of Object.entries(weights)) state.weights.set(role, weight)
    cx.send(state.allocator, UpdateWeights, { weights })
    const inUse = [...state.frameworks.values()].some(({ roles }) =>
      roles.some((role) => Object.hasOwn(weights, role)),
    )
    const offers = inUse ? [...state.offers.values()] : []
    inSlices(rescindAll(state, offers, cx), cx, () => later(ok({})))
  })
  return undefined
}

function roleOf(role = ''): string {
  return role.trim()
}

function weightProblem(infos: readonly WeightInfo[]): string | undefined {
  if (infos.length === 0) return ': must name a role'
  for (const [index, { role, weight }] of infos.entries()) {
    const wrong = roleNameError(roleOf(role))
    if (wrong !== undefined) return `[${index}].role: ${wrong}`
    if (!(weight > 0) || !Number.isFinite(weight)) return `[${index}].weight: must be above 0`
  }
  return undefined
}
