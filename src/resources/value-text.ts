/**
 * Values as text, as flags for resources and attributes take them. Spec: resources.md §2.1, §2.4.
 */
import { err, ok } from '../../protocol/result.ts'
import type { Resource, Value, ValueRange } from '../../protocol/v1/resources.ts'
import { type Checked, fault } from './fault.ts'
import { coalesce, formatRanges } from './ranges.ts'
import { formatScalar } from './scalar.ts'
import { formatSet } from './sets.ts'

const BRACKETS = [
  ['{', '}'],
  ['[', ']'],
  ['(', ')'],
] as const

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** The smallest double that keeps all its bits; below it a number has lost some. */
const SMALLEST_NORMAL = 2 ** -1022

/**
 * One value. `4.5` is a scalar, `[1-3, 7-7]` are ranges, `{a, b}` is a set, everything else is text,
 * among it negative and infinite numbers. All spaces are dropped, also inside words.
 */
export function parseValue(input: string): Checked<Value> {
  const text = input.replaceAll(' ', '')
  if (text === '') return refuse('a value must not be empty')
  for (const [open, close] of BRACKETS) {
    if (!isBalanced(text, open, close)) {
      return refuse(`'${input}' has unbalanced '${open}${close}'`)
    }
  }
  if (text.startsWith('[')) return parseRanges(text)
  if (text.startsWith('{')) return parseSet(text)
  if (DECIMAL.test(text)) {
    const number = Number(text)
    if (number !== 0 && Math.abs(number) < SMALLEST_NORMAL) {
      return refuse(`'${input}' is too small a number`)
    }
    if (Number.isFinite(number) && number >= 0) {
      return ok({ type: 'SCALAR', scalar: { value: number + 0 } })
    }
  }
  return ok({ type: 'TEXT', text: { value: text } })
}

/** `4.5`, `[1-3, 7-7]`, `{a, b}`, or the text itself. */
export function formatValue(value: Value | Resource): string {
  switch (value.type) {
    case 'SCALAR':
      return formatScalar(value.scalar?.value ?? 0)
    case 'RANGES':
      return formatRanges(value.ranges?.range ?? [])
    case 'SET':
      return formatSet(value.set?.item ?? [])
    default:
      return 'text' in value ? (value.text?.value ?? '') : ''
  }
}

function parseRanges(text: string): Checked<Value> {
  if (text.includes('[', 1)) return refuse(`'${text}' must have one '[' only`)
  const tokens = text.split(/[[\]\-,\n]/).filter((token) => token !== '')
  if (tokens.length % 2 !== 0) return refuse(`'${text}' must hold pairs begin-end`)
  const bounds: number[] = []
  for (const token of tokens) {
    if (!/^\d+$/.test(token)) return refuse(`'${token}' in '${text}' must be a whole number`)
    const bound = Number(token)
    if (!Number.isSafeInteger(bound)) {
      return refuse(
        `'${token}' in '${text}' is beyond the largest bound, ${Number.MAX_SAFE_INTEGER}`,
      )
    }
    bounds.push(bound)
  }
  const ranges: ValueRange[] = []
  for (let i = 0; i < bounds.length; i += 2) ranges.push({ begin: bounds[i]!, end: bounds[i + 1]! })
  // A reversed range is left as it is, so that validation (R4) finds it.
  const valid = ranges.every((range) => range.begin <= range.end)
  return ok({ type: 'RANGES', ranges: { range: valid ? [...coalesce(ranges)] : ranges } })
}

function parseSet(text: string): Checked<Value> {
  if (text.includes('{', 1)) return refuse(`'${text}' must have one '{' only`)
  const item = text.split(/[{},\n]/).filter((token) => token !== '')
  return ok({ type: 'SET', set: { item } })
}

function isBalanced(text: string, open: string, close: string): boolean {
  let depth = 0
  for (const character of text) {
    if (character === open) depth++
    else if (character === close) depth--
    if (depth < 0) return false
  }
  return depth === 0
}

function refuse(message: string): Checked<never> {
  return err(fault('PARSE', '', message))
}
