/**
 * Every subject of a cluster, in one place (design.md §4). Nobody else joins subjects by hand.
 *
 * An id becomes one token of a subject. Mesos allows characters in ids that NATS reserves, so they are
 * percent-encoded: `token` and `untoken` are inverses for every well-formed string.
 */

/** What `<c>.events.<kind>.<id>` tells of. */
export type EventKind = 'task' | 'agent' | 'framework' | 'leader'

/**
 * An executor's place: which agent runs it for which framework, and in which container. By that the calls
 * of a program that is dead are not taken for those of its successor under the same id.
 */
export interface ExecutorAddress {
  readonly agent: string
  readonly framework: string
  readonly executor: string
  readonly container: string
}

/** Stands where a framework's id would, before it has one: `<c>.framework.new.call`. */
export const newFramework = 'new'

/** Default cluster name. */
export const defaultCluster = 'meseta'

const clusterNamePattern = /^[A-Za-z0-9_-]{1,64}$/

/** Why a text cannot name a cluster, or undefined if it can. */
export function clusterNameProblem(name: string): string | undefined {
  return clusterNamePattern.test(name)
    ? undefined
    : `a cluster name is 1 to 64 letters, digits, "-" and "_", not ${JSON.stringify(name.slice(0, 80))}`
}

/** What a token may not hold as it is: separators, wildcards, the escape itself, blanks, controls. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const reserved = /[.*>%\s\u0000-\u001f\u007f-\u009f]/u
const reservedAll = new RegExp(reserved, 'gu')

/** The token of the empty string, which no escape of another string can be. */
const emptyToken = '%'

/** Makes any text one subject token. Lone surrogates become U+FFFD, as in every UTF-8 encoding. */
export function token(text: string): string {
  if (text === '') return emptyToken
  if (!reserved.test(text)) return text
  return text.replaceAll(reservedAll, (character) => {
    let escaped = ''
    for (const byte of Buffer.from(character)) {
      escaped += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    }
    return escaped
  })
}

/** The text that `token` made this from, or undefined if it is no token of ours. */
export function untoken(encoded: string): string | undefined {
  if (encoded === emptyToken) return ''
  if (!encoded.includes('%')) return encoded === '' ? undefined : encoded
  try {
    const text = decodeURIComponent(encoded)
    // Only the canonical form: who may publish under one id must not reach it by another spelling.
    return token(text) === encoded ? text : undefined
  } catch {
    return undefined
  }
}

/** Builders, patterns and parsers of one cluster's subjects. Parsers return undefined for any other. */
export interface Subjects {
  readonly cluster: string
  /** Mailbox of an actor. */
  pid(node: string, id: string): string
  /** All mailboxes of a node: its one subscription. */
  nodeWildcard(node: string): string
  /** The same mailbox for messages from the near ones of its node, which have a connection of their own. */
  near(node: string, id: string): string
  nearWildcard(node: string): string
  parsePid(subject: string): { readonly node: string; readonly id: string } | undefined

  /** Where a node tells of its actors. */
  nodeActors(node: string): string

  /** Where a framework calls the leading master; `newFramework` before it has an id. */
  frameworkCall(framework: string): string
  /** Where a framework hears events. */
  frameworkEvent(framework: string): string
  /** Where a framework's offers are told to operators while they watch. */
  offers(framework: string): string
  /** All frameworks' offers. */
  readonly allOffers: string
  /** The framework whose offers are told there. */
  parseOffers(subject: string): string | undefined
  /** All frameworks' calls: the leading master's subscription. */
  readonly frameworkCalls: string
  /** The id that a call came under (`newFramework` without one). */
  parseFrameworkCall(subject: string): string | undefined

  /** Where an executor calls its agent. */
  executorCall(address: ExecutorAddress): string
  /** Where an executor hears events. */
  executorEvent(address: ExecutorAddress): string
  /** All calls of an agent's executors: the agent's subscription. */
  executorCalls(agent: string): string
  parseExecutorCall(subject: string): ExecutorAddress | undefined

  /** Operator API of the leading master. */
  readonly masterCall: string
  /** Operator API of an agent. */
  agentCall(agent: string): string
  /** Asks who leads; the leading master answers. */
  readonly leader: string

  /** Where an event is published for anyone. */
  event(kind: EventKind, id: string): string
  /** All events, or those of one kind. */
  events(kind?: EventKind): string
  parseEvent(subject: string): { readonly kind: string; readonly id: string } | undefined
}

/**
 * The subjects of a cluster.
 * @throws RangeError if the name cannot name a cluster; ask `clusterNameProblem` before, for input.
 */
export function subjects(cluster: string): Subjects {
  const problem = clusterNameProblem(cluster)
  if (problem) throw new RangeError(problem)

  const executor = ({ agent, ...rest }: ExecutorAddress, end: string) => {
    const own = [rest.framework, rest.executor, rest.container].map(token).join('.')
    return `${cluster}.executor.${token(agent)}.${own}.${end}`
  }

  /** The texts of the tokens at `indices`, if the subject has this many and these fixed ones. */
  const parse = (subject: string, pattern: readonly (string | null)[]): string[] | undefined => {
    const tokens = subject.split('.')
    if (tokens.length !== pattern.length) return undefined
    const texts: string[] = []
    for (const [index, fixed] of pattern.entries()) {
      if (fixed !== null) {
        if (tokens[index] !== fixed) return undefined
        continue
      }
      const text = untoken(tokens[index]!)
      if (text === undefined) return undefined
      texts.push(text)
    }
    return texts
  }

  return Object.freeze({
    cluster,
    pid: (node: string, id: string) => `${cluster}.pid.${token(node)}.${token(id)}`,
    nodeWildcard: (node: string) => `${cluster}.pid.${token(node)}.*`,
    near: (node: string, id: string) => `${cluster}.pid.${token(node)}.near.${token(id)}`,
    nearWildcard: (node: string) => `${cluster}.pid.${token(node)}.near.*`,
    nodeActors: (node: string) => `${cluster}.node.${token(node)}.actors`,
    parsePid(subject: string) {
      const ids = parse(subject, [cluster, 'pid', null, null])
      return ids && { node: ids[0]!, id: ids[1]! }
    },
    frameworkCall: (framework: string) => `${cluster}.framework.${token(framework)}.call`,
    frameworkEvent: (framework: string) => `${cluster}.framework.${token(framework)}.event`,
    offers: (framework: string) => `${cluster}.offers.${token(framework)}`,
    allOffers: `${cluster}.offers.*`,
    parseOffers: (subject: string) => parse(subject, [cluster, 'offers', null])?.[0],
    frameworkCalls: `${cluster}.framework.*.call`,
    parseFrameworkCall: (subject: string) =>
      parse(subject, [cluster, 'framework', null, 'call'])?.[0],
    executorCall: (address: ExecutorAddress) => executor(address, 'call'),
    executorEvent: (address: ExecutorAddress) => executor(address, 'event'),
    executorCalls: (agent: string) => `${cluster}.executor.${token(agent)}.*.*.*.call`,
    parseExecutorCall(subject: string) {
      const ids = parse(subject, [cluster, 'executor', null, null, null, null, 'call'])
      if (ids === undefined) return undefined
      const [agent, framework, executor, container] = ids as [string, string, string, string]
      return { agent, framework, executor, container }
    },
    masterCall: `${cluster}.master.call`,
    agentCall: (agent: string) => `${cluster}.agent.${token(agent)}.call`,
    leader: `${cluster}.leader`,
    event: (kind: EventKind, id: string) => `${cluster}.events.${kind}.${token(id)}`,
    events: (kind?: EventKind) => `${cluster}.events.${kind ?? '>'}${kind ? '.*' : ''}`,
    parseEvent(subject: string) {
      const ids = parse(subject, [cluster, 'events', null, null])
      return ids && { kind: ids[0]!, id: ids[1]! }
    },
  })
}
