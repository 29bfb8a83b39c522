/** A variable of a state as a sequential object, for `isLinearizable`. Spec: replicated-log.md §10, §13.12. */
import type { Model, Operation } from './linearizability.ts'

export type Input =
  | { readonly type: 'fetch' }
  | { readonly type: 'store' | 'expunge'; readonly from: string }

export interface Output {
  readonly changed: boolean
  /** The version that there is afterwards. */
  readonly version: string
}

export type Change = Operation<Input, Output>

/**
 * A variable is its version. Which one an unknown change has given it is not known: then it is `~`, until an
 * answer tells a version that no known change has given.
 */
export function variable(history: readonly Change[]): Model<string, Input, Output> {
  const given = new Set<string>([''])
  for (const { output } of history) if (output?.changed) given.add(output.version)
  const is = (now: string, version: string) =>
    now === version || (now === '~' && !given.has(version))
  return {
    initial: '',
    step(now, input, output) {
      if (input.type === 'fetch') {
        return output !== undefined && is(now, output.version) ? output.version : undefined
      }
      if (output?.changed === false) {
        // To remove what is not there changes nothing.
        const isVain = input.type === 'expunge' && input.from === ''
        const isOther = isVain || output.version !== input.from
        return is(now, output.version) && isOther ? output.version : undefined
      }
      // Not done: as if it had never been asked for.
      if (!is(now, input.from)) return output === undefined ? now : undefined
      return output?.version ?? (input.type === 'expunge' ? '' : '~')
    },
  }
}
