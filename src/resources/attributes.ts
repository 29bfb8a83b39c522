/** Attributes of agents: parsing, comparing, looking up. Spec: resources.md §2.3. */
import { err, ok } from '../../protocol/result.ts'
import type { Attribute, ValueType } from '../../protocol/v1/resources.ts'
import { type Checked, fault } from './fault.ts'
import { equalRanges } from './ranges.ts'
import { equalScalars, fromMillis, toMillis } from './scalar.ts'
import { equalSets } from './sets.ts'
import { formatValue, parseValue } from './value-text.ts'

/**
 * What `--attributes` says: `rack:r7;zone:b;ports:[1-5]`, items separated by semicolons or line
 * breaks. Only the first colon of an item counts, so that values may be URLs.
 */
export function parseAttributes(text: string): Checked<Attribute[]> {
  const attributes: Attribute[] = []
  for (const item of text.split(/[;\n]/).filter((piece) => piece.trim() !== '')) {
    const colon = item.indexOf(':')
    const name = item.slice(0, Math.max(colon, 0)).trim()
    const amount = item.slice(colon + 1).trim()
    if (name === '' || amount === '') {
      return err(fault('PARSE', '', `'${item.trim()}' must be key:value`))
    }
    const value = parseValue(amount)
    if (!value.ok) return err({ ...value.error, message: `in '${item}': ${value.error.message}` })
    if (value.value.type === 'SET') {
      return err(fault('PARSE', '', `attribute '${name}' must not be a set`))
    }
    attributes.push({ name, ...value.value })
  }
  return ok(attributes)
}

/** `rack:r7;zone:b` */
export function formatAttributes(attributes: readonly Attribute[]): string {
  return attributes.map((attribute) => `${attribute.name}:${formatValue(attribute)}`).join(';')
}

/** Same length, and each occurs in the other; order and repetition do not count. */
export function equalAttributes(left: readonly Attribute[], right: readonly Attribute[]): boolean {
  return left.length === right.length && containsAll(left, right) && containsAll(right, left)
}

/** The first attribute of that name and type. */
export function findAttribute(
  attributes: readonly Attribute[],
  name: string,
  type: ValueType,
): Attribute | undefined {
  return attributes.find((attribute) => attribute.name === name && attribute.type === type)
}

/** As Mesos' v0 JSON prints them: scalars as numbers, everything else as text. */
export function attributesToV0(attributes: readonly Attribute[]): Record<string, number | string> {
  return Object.fromEntries(
    attributes.map((attribute) => [
      attribute.name,
      attribute.type === 'SCALAR'
        ? fromMillis(toMillis(attribute.scalar?.value ?? 0))
        : formatValue(attribute),
    ]),
  )
}

function containsAll(outer: readonly Attribute[], inner: readonly Attribute[]): boolean {
  return inner.every((wanted) => outer.some((attribute) => equalAttribute(attribute, wanted)))
}

function equalAttribute(a: Attribute, b: Attribute): boolean {
  return (
    a.name === b.name &&
    a.type === b.type &&
    a.text?.value === b.text?.value &&
    equalScalars(a.scalar?.value ?? 0, b.scalar?.value ?? 0) &&
    equalRanges(a.ranges?.range ?? [], b.ranges?.range ?? []) &&
    equalSets(a.set?.item ?? [], b.set?.item ?? [])
  )
}
