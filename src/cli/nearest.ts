/** Guessing what was meant by a word that means nothing. */

/**
 * The candidate that differs least from the word (edit distance), if it differs in at most a third of
 * its letters, rounded up. The first one wins among equals.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.ceil(word.length / 3) + 1
  for (const candidate of candidates) {
    const steps = distance(word, candidate, least)
    if (steps >= least) continue
    least = steps
    best = candidate
  }
  return best
}

/** Insertions, deletions and replacements from one word to the other; `limit` if there are as many or more. */
function distance(from: string, to: string, limit: number): number {
  if (Math.abs(from.length - to.length) >= limit) return limit
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return Math.min(row[to.length]!, limit)
}
