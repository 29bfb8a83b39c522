/**
 * Reads regular expressions of RE2's syntax, as far as it has no flags and no Unicode classes: literals,
 * `.`, classes, groups, alternatives, `* + ? {m,n}` greedy or not, `^ $ \d \w \s` and their negations.
 * Look-around and back-references are no part of it, so that a text can always be matched in linear time.
 */

/** Whether a code point is one of those that a place of the pattern takes. */
export type CharTest = (code: number) => boolean

/** Code points from `from` to `to`, inclusive. */
type CodeRange = readonly [from: number, to: number]

export type Node =
  | { readonly type: 'chars'; readonly includes: CharTest }
  | { readonly type: 'begin' | 'end' }
  | { readonly type: 'sequence' | 'choice'; readonly items: readonly Node[] }
  /** `max` may be Infinity. */
  | { readonly type: 'repeat'; readonly item: Node; readonly min: number; readonly max: number }

export class PatternError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PatternError'
  }
}

const DIGIT: readonly CodeRange[] = [[48, 57]]
const WORD: readonly CodeRange[] = [
  [48, 57],
  [65, 90],
  [95, 95],
  [97, 122],
]
const SPACE: readonly CodeRange[] = [
  [9, 10],
  [12, 13],
  [32, 32],
]
const CONTROL: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 }
const PUNCTUATION = /^[!-/:-@[-`{-~]$/
const CODE_MAX = 0x10ffff
const REPEAT_MAX = 1000

/** @throws PatternError saying what is wrong, and where */
export function parsePattern(source: string): Node {
  const reader = new Reader(source)
  const node = reader.choice()
  if (!reader.atEnd) throw reader.error("')' without '('")
  return node
}

class Reader {
  /** Code points, one string each. */
  readonly #chars: readonly string[]
  #at = 0

  constructor(source: string) {
    this.#chars = [...source]
  }

  get atEnd(): boolean {
    return this.#at === this.#chars.length
  }

  error(what: string): PatternError {
    return new PatternError(`${what} at character ${this.#at + 1}`)
  }

  choice(): Node {
    const items = [this.#sequence()]
    while (this.#take('|')) items.push(this.#sequence())
    return items.length === 1 ? (items[0] as Node) : { type: 'choice', items }
  }

  #sequence(): Node {
    const items: Node[] = []
    while (!this.atEnd && this.#next !== '|' && this.#next !== ')') items.push(this.#repeated())
    return { type: 'sequence', items }
  }

  #repeated(): Node {
    const item = this.#atom()
    const times = this.#times()
    if (times === undefined) return item
    // Greedy or not makes no difference to whether the whole text matches.
    this.#take('?')
    if (this.#times() !== undefined) throw this.error('a repetition of a repetition')
    return { type: 'repeat', item, ...times }
  }

  #times(): { min: number; max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Number.POSITIVE_INFINITY }
    if (this.#take('+')) return { min: 1, max: Number.POSITIVE_INFINITY }
    if (this.#take('?')) return { min: 0, max: 1 }
    const counted = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#rest(12))
    if (counted === null) return undefined
    const min = Number(counted[1])
    const max = counted[2] === undefined ? min : Number(counted[3] || Number.POSITIVE_INFINITY)
    const finite = max === Number.POSITIVE_INFINITY ? min : max
    if (min > max || finite > REPEAT_MAX)
      throw this.error(`a repetition that is not 0 to ${REPEAT_MAX}`)
    this.#at += counted[0].length
    return { min, max }
  }

  #atom(): Node {
    const char = this.#read()
    switch (char) {
      case '(':
        return this.#group()
      case '[':
        return this.#class()
      case '.':
        return chars([[10, 10]], true)
      case '^':
        return { type: 'begin' }
      case '$':
        return { type: 'end' }
      case '\\':
        return this.#escape()
      case '*':
      case '+':
      case '?':
        throw this.error(`'${char}' with nothing to repeat`)
      default:
        return literal(char)
    }
  }

  #group(): Node {
    if (this.#take('?')) {
      const named = /^(?:P?<\w{1,32}>|:)/.exec(this.#rest(40))
      if (named === null) throw this.error("'(?' that is no plain group")
      this.#at += named[0].length
    }
    const node = this.choice()
    if (!this.#take(')')) throw this.error("'(' without ')'")
    return node
  }

  #escape(): Node {
    const char = this.#read()
    const ranges = classOf(char)
    if (ranges !== undefined) return chars(ranges, char < 'a')
    return literal(String.fromCodePoint(this.#escaped(char)))
  }

  /** The code point that an escape stands for. */
  #escaped(char: string): number {
    if (PUNCTUATION.test(char)) return char.charCodeAt(0)
    const control = CONTROL[char]
    if (control === undefined) throw this.error(`'\\${char}', which is not supported`)
    return control
  }

  #class(): Node {
    const negated = this.#take('^')
    const ranges: CodeRange[] = []
    // A bracket at the beginning is one of the characters.
    for (let first = true; first || this.#next !== ']'; first = false) {
      ranges.push(...this.#classItem())
    }
    this.#at++
    return chars(ranges, negated)
  }

  #classItem(): readonly CodeRange[] {
    const char = this.#read()
    if (char === '[' && this.#next === ':') throw this.error("'[:', which is not supported")
    if (char === '\\') {
      const ranges = classOf(this.#next ?? '')
      if (ranges !== undefined) return this.#read() < 'a' ? complement(ranges) : ranges
    }
    const from = char === '\\' ? this.#escaped(this.#read()) : (char.codePointAt(0) as number)
    if (this.#next !== '-' || this.#chars[this.#at + 1] === ']') return [[from, from]]
    this.#at++
    const last = this.#read()
    const to = last === '\\' ? this.#escaped(this.#read()) : (last.codePointAt(0) as number)
    if (to < from) throw this.error('a range that ends before it begins')
    return [[from, to]]
  }

  get #next(): string | undefined {
    return this.#chars[this.#at]
  }

  #read(): string {
    const char = this.#chars[this.#at]
    if (char === undefined) throw this.error('an unexpected end')
    this.#at++
    return char
  }

  #take(char: string): boolean {
    if (this.#next !== char) return false
    this.#at++
    return true
  }

  #rest(length: number): string {
    return this.#chars.slice(this.#at, this.#at + length).join('')
  }
}

function literal(char: string): Node {
  const code = char.codePointAt(0) as number
  return chars([[code, code]], false)
}

/** A table for ASCII, so that long classes cost no more than short ones where it matters. */
function chars(ranges: readonly CodeRange[], negated: boolean): Node {
  const listed = (code: number) => ranges.some(([from, to]) => code >= from && code <= to)
  const ascii = Array.from({ length: 128 }, (_, code) => listed(code) !== negated)
  return { type: 'chars', includes: (code) => ascii[code] ?? listed(code) !== negated }
}

function classOf(char: string): readonly CodeRange[] | undefined {
  switch (char) {
    case 'd':
    case 'D':
      return DIGIT
    case 'w':
    case 'W':
      return WORD
    case 's':
    case 'S':
      return SPACE
    default:
      return undefined
  }
}

/** `ranges` are in order and apart. */
function complement(ranges: readonly CodeRange[]): CodeRange[] {
  const result: CodeRange[] = []
  let from = 0
  for (const [begin, end] of ranges) {
    result.push([from, begin - 1])
    from = end + 1
  }
  result.push([from, CODE_MAX])
  return result
}
