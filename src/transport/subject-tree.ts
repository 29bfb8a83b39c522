/**
 * Which subscriptions a subject reaches. Subscriptions without wildcards are found by one look into a
 * map; those with wildcards by walking a tree of tokens, with the answers kept in a bounded map
 * that is begun anew when it is full and at any change among the wildcards.
 */

/** Subjects whose wildcard matches are remembered. */
const cachedSubjectsMax = 8_192

interface TreeNode<T> {
  readonly children: Map<string, TreeNode<T>>
  /** Values whose pattern ends here. */
  readonly values: Set<T>
}

/** A set of (pattern, value) pairs. Patterns are taken as valid: see `subject.ts`. */
export class SubjectTree<T> {
  readonly #literals = new Map<string, Set<T>>()
  readonly #root: TreeNode<T> = emptyNode()
  readonly #cache = new Map<string, readonly T[]>()
  #wildcards = 0

  /** Adds a pair. The same value may stand under several patterns. */
  add(pattern: string, value: T): void {
    if (!hasWildcard(pattern)) {
      const values = this.#literals.get(pattern)
      if (values) values.add(value)
      else this.#literals.set(pattern, new Set([value]))
      return
    }
    let node = this.#root
    for (const token of pattern.split('.')) {
      const child: TreeNode<T> = node.children.get(token) ?? emptyNode()
      node.children.set(token, child)
      node = child
    }
    if (node.values.has(value)) return
    node.values.add(value)
    this.#wildcards++
    this.#cache.clear()
  }

  /** Removes a pair; nothing happens if it is not there. */
  remove(pattern: string, value: T): void {
    if (!hasWildcard(pattern)) {
      const values = this.#literals.get(pattern)
      if (values?.delete(value) && values.size === 0) this.#literals.delete(pattern)
      return
    }
    if (!removeFrom(this.#root, pattern.split('.'), 0, value)) return
    this.#wildcards--
    this.#cache.clear()
  }

  /** Calls `visit` for each value whose pattern matches, in an order that history alone decides. */
  match(subject: string, visit: (value: T) => void): void {
    const values = this.#literals.get(subject)
    if (values) for (const value of values) visit(value)
    if (this.#wildcards === 0) return
    const found = this.#cache.get(subject) ?? this.#walk(subject)
    for (const value of found) visit(value)
  }

  #walk(subject: string): readonly T[] {
    const found: T[] = []
    collect(this.#root, subject.split('.'), 0, found)
    if (this.#cache.size >= cachedSubjectsMax) this.#cache.clear()
    this.#cache.set(subject, found)
    return found
  }
}

/** Whether a pattern, such as `a.*.>`, matches a subject. For single questions. */
export function subjectMatches(pattern: string, subject: string): boolean {
  if (!hasWildcard(pattern)) return pattern === subject
  const wanted = pattern.split('.')
  const given = subject.split('.')
  for (const [index, token] of wanted.entries()) {
    if (token === '>') return given.length > index
    if (index >= given.length || (token !== '*' && token !== given[index])) return false
  }
  return wanted.length === given.length
}

function emptyNode<T>(): TreeNode<T> {
  return { children: new Map(), values: new Set() }
}

function hasWildcard(pattern: string): boolean {
  return pattern.includes('*') || pattern.endsWith('>')
}

function collect<T>(node: TreeNode<T>, tokens: readonly string[], depth: number, found: T[]): void {
  const token = tokens[depth]
  if (token === undefined) {
    for (const value of node.values) found.push(value)
    return
  }
  const exact = node.children.get(token)
  if (exact) collect(exact, tokens, depth + 1, found)
  const any = node.children.get('*')
  if (any) collect(any, tokens, depth + 1, found)
  const rest = node.children.get('>')
  if (rest) for (const value of rest.values) found.push(value)
}

/** Removes the value and every node that is left empty. Says whether it was there. */
function removeFrom<T>(
  node: TreeNode<T>,
  tokens: readonly string[],
  depth: number,
  value: T,
): boolean {
  const token = tokens[depth]
  if (token === undefined) return node.values.delete(value)
  const child = node.children.get(token)
  if (!child || !removeFrom(child, tokens, depth + 1, value)) return false
  if (child.values.size === 0 && child.children.size === 0) node.children.delete(token)
  return true
}
