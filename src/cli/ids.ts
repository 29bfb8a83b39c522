/** Ids by unique prefix: nobody types a UUID. */
import { advice, failure } from '../../protocol/errors.ts'
import { CommandError, commandError } from './errors.ts'

/** Something that can be named: by its id, a prefix of it, or one of its other names in full. */
export interface Candidate {
  readonly id: string
  /** Names that people know it by; they need not be unique. */
  readonly names?: readonly string[]
  /** What an error calls it where the id alone is not unique. Default: the id. */
  readonly label?: string
}

/** Candidates that an error lists. */
const listedMax = 10

/**
 * The one candidate that is meant. An exact id wins, then an exact name, then a prefix of an id; of
 * several that match equally none is taken.
 * @param kind what it is, for the sentence: `agent`
 * @throws CommandError NOT_FOUND, or AMBIGUOUS_ID with the candidates
 */
export function resolveId<C extends Candidate>(
  kind: string,
  given: string,
  candidates: readonly C[],
): C {
  const matches =
    [
      candidates.filter(({ id }) => id === given),
      candidates.filter(({ names }) => names?.includes(given)),
      candidates.filter(({ id }) => given !== '' && id.startsWith(given)),
    ].find((found) => found.length > 0) ?? []
  const [match] = matches
  if (match === undefined) throw commandError('NOT_FOUND', { kind, id: given })
  if (matches.length === 1) return match
  const listed = matches.slice(0, listedMax).map(({ id, label }) => label ?? id)
  if (matches.length > listedMax) listed.push(`${matches.length - listedMax} more`)
  const { message } = failure('AMBIGUOUS_ID', {
    id: given,
    count: matches.length,
    candidates: listed,
  })
  throw new CommandError('AMBIGUOUS_ID', message, advice('AMBIGUOUS_ID'))
}
