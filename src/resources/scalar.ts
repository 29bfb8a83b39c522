/**
 * Scalars as fixed point with three decimals. Spec: resources.md §1.1.
 *
 * A scalar travels as a double, but doubles are never compared or added: both sides become whole
 * thousandths ("millis") first, which are exact integers.
 */

/** Up to here the double nearest to a count of thousandths leads back to that count. */
const MILLIS_MAX = 2 ** 51

/** Whole thousandths of `value`, half rounded away from zero. 1.5123 is 1512, 0.0004 is 0. */
export function toMillis(value: number): number {
  // Math.round rounds halves up, so negative numbers are mirrored; `+ 0` turns -0 into 0.
  return (value < 0 ? -Math.round(-value * 1000) : Math.round(value * 1000)) + 0
}

/** The double nearest to `millis` thousandths: it prints with at most three decimals. */
export function fromMillis(millis: number): number {
  return millis / 1000
}

export function addScalars(left: number, right: number): number {
  return fromMillis(toMillis(left) + toMillis(right))
}

export function subtractScalars(left: number, right: number): number {
  return fromMillis(toMillis(left) - toMillis(right))
}

export function equalScalars(left: number, right: number): boolean {
  return toMillis(left) === toMillis(right)
}

/** Whether `value` has an exact count of thousandths: finite and at most 2^51 of them. */
export function isExactScalar(value: number): boolean {
  return Math.abs(toMillis(value)) <= MILLIS_MAX
}

/** Decimal text with at most three decimals and no exponent. */
export function formatScalar(value: number): string {
  const millis = toMillis(value)
  const whole = Math.trunc(Math.abs(millis) / 1000)
  const rest = Math.abs(millis) % 1000
  const sign = millis < 0 ? '-' : ''
  if (rest === 0) return `${sign}${whole}`
  return `${sign}${whole}.${String(rest).padStart(3, '0').replace(/0+$/, '')}`
}
