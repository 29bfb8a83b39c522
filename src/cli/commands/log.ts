/** `meseta log`: the replicas of a log, and what is in it. */
import Type from 'typebox'
import { unpack } from '../../../protocol/codec.ts'
import {
  Append,
  Canvass,
  CatchUp,
  Elect,
  Initialize,
  Positions,
  Read,
  Resign,
  type Status,
} from '../../../protocol/log.ts'
import type { Ask } from '../../framework/asking.ts'
import { pid } from '../../runtime/index.ts'
import { command, noun } from '../command.ts'
import { withCluster } from '../connection.ts'
import { CommandError } from '../errors.ts'
import { asNode, nodesWith } from '../nodes.ts'
import { type Listing, printOrWatch, renderJson, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'

const logSetting = {
  log: Type.String({
    description: 'id of the log: that of the masters is log, that of states state-log',
    default: 'log',
    placeholder: 'ID',
  }),
}

const nodeSetting = {
  node: Type.String({
    description: 'node of the replica (default: the first one that votes)',
    default: '',
    placeholder: 'NAME',
  }),
}

/** To complete a log before it is read or written may take a while. */
const completeMs = 60_000

interface Replica {
  readonly node: string
  readonly status: Status | 'no answer'
  readonly begin?: number
  readonly learned?: number
  readonly end?: number
  readonly promised?: number
  /** Whom it is leased to. */
  readonly holder?: string
  readonly remaining_ms?: number
}

const status = command({
  name: 'status',
  section: 'log_status',
  summary: 'Show every replica: whether it votes, what it has learned, whom it is leased to.',
  about:
    'A replica that is not VOTING takes part in no decision: RECOVERING ones catch up first, RETURNING ones wait\n' +
    'for the others, EMPTY ones for a quorum of voters or, in a new log, for all replicas. Nodes that are down\n' +
    'are not shown.',
  examples: [
    ['meseta log status', 'the log of the masters'],
    ['meseta log status --watch', 'again every two seconds'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: { ...logSetting },
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      asNode(options, (ask) =>
        printOrWatch(options, terminal, async () => {
          const nodes = await nodesWith(client, options.log)
          const replicas = await Promise.all(nodes.map((node) => look(ask, options.log, node)))
          return renderListing(listing, replicas, options.output, terminal)
        }),
      ),
    ),
})

const listing: Listing<Replica> = {
  empty: 'No replica answers.',
  name: ({ node }) => node,
  document: (replica) => replica,
  columns: [
    { title: 'NODE', value: ({ node }) => node },
    { title: 'STATUS', value: ({ status }) => status },
    { title: 'BEGIN', value: ({ begin }) => number(begin), right: true },
    { title: 'LEARNED', value: ({ learned }) => number(learned), right: true },
    { title: 'END', value: ({ end }) => number(end), right: true },
    { title: 'PROMISED', value: ({ promised }) => number(promised), right: true },
    { title: 'LEASED TO', value: ({ holder }) => holder ?? '-' },
  ],
}

async function look(ask: Ask, log: string, node: string): Promise<Replica> {
  try {
    const to = pid(log, node)
    const { status, begin, learned, end, promised } = await ask(to, Positions, {})
    // A holder that nobody has: the answer tells who has the lease, if anybody.
    const { holder, remaining_ms } = await ask(to, Canvass, { holder: '' })
    const lease = holder === undefined ? {} : { holder, remaining_ms }
    return { node, status, begin, learned, end, promised, ...lease }
  } catch (error) {
    if (error instanceof CommandError) return { node, status: 'no answer' }
    throw error
  }
}

function number(value: number | undefined): string {
  return value === undefined ? '-' : String(value)
}

const read = command({
  name: 'read',
  section: 'log_read',
  summary: 'Show entries of a log, the last ones if nothing else is said.',
  examples: [
    ['meseta log read', 'the last 20 entries'],
    ['meseta log read --from 0 --limit 100 -o json', 'from a position on, as documents'],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: {
    ...logSetting,
    ...nodeSetting,
    from: Type.Integer({
      description: 'first position (default: so that the end is shown)',
      default: -1,
    }),
    limit: Type.Integer({
      description: 'positions at most',
      default: 20,
      minimum: 1,
      maximum: 100_000,
    }),
  },
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      asNode(options, async (ask) => {
        const { log, from, limit } = options
        const node = options.node || (await voterOf(ask, log, await nodesWith(client, log)))
        const replica = pid(log, node)
        const { to: last } = await ask(replica, CatchUp, {}, completeMs)
        const { begin } = await ask(replica, Positions, {})
        const first = Math.max(begin, from < 0 ? last - limit + 1 : from)
        const end = Math.min(last, first + limit - 1)
        const entries: Entry[] = []
        for (let next = first; next <= end; ) {
          const part = await ask(replica, Read, { from: next, to: end })
          for (const { position, data } of part.entries) {
            entries.push({ position, bytes: data.length, ...contentOf(data) })
          }
          next = part.next
        }
        terminal.out(renderListing(entryListing, entries, options.output, terminal))
      }),
    ),
})

interface Entry {
  readonly position: number
  readonly bytes: number
  /** The entry as MessagePack, as text, or in hexadecimal digits. */
  readonly value?: unknown
  readonly text?: string
  readonly hex?: string
}

const entryListing: Listing<Entry> = {
  empty: 'There are no entries there.',
  name: ({ position }) => String(position),
  document: (entry) => entry,
  columns: [
    { title: 'POSITION', value: ({ position }) => String(position), right: true },
    { title: 'BYTES', value: ({ bytes }) => String(bytes), right: true },
    { title: 'ENTRY', value: (entry) => shortened(entry) },
  ],
}

const shownMax = 120

function shortened({ value, text, hex }: Entry): string {
  const whole =
    text ??
    hex ??
    renderJson(value)
      .replaceAll(/\s*\n\s*/g, ' ')
      .trim()
  return whole.length > shownMax ? `${whole.slice(0, shownMax)}...` : whole
}

function contentOf(data: Uint8Array): Pick<Entry, 'value' | 'text' | 'hex'> {
  try {
    const value = unpack(data)
    // One byte of text is a small number too.
    if (typeof value === 'object' && value !== null) return { value }
  } catch {
    // No MessagePack.
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(data) }
  } catch {
    return { hex: Buffer.from(data).toString('hex') }
  }
}

async function voterOf(ask: Ask, log: string, nodes: readonly string[]): Promise<string> {
  for (const node of nodes) {
    if ((await look(ask, log, node)).status === 'VOTING') return node
  }
  throw new CommandError(
    'NO_QUORUM',
    `no replica of the log ${log} votes`,
    'Look at them with: meseta log status',
  )
}

const append = command({
  name: 'append',
  section: 'log_append',
  operands: '<text>',
  summary: 'Append an entry to a log, and print its position.',
  about:
    'Whoever wrote there is replaced as the writer, and notices with its next entry. A log whose writer holds\n' +
    'a lease, as that of the masters, refuses that.',
  examples: [['meseta log append --log journal hello', 'a log of your own']],
  shared: { ...connectionSettings, ...outputSettings },
  own: { ...logSetting, ...nodeSetting },
  run: ({ options, operands, terminal }) =>
    withCluster(options, (client) =>
      asNode(options, async (ask) => {
        const { log } = options
        const node = options.node || (await voterOf(ask, log, await nodesWith(client, log)))
        const writer = pid(`${log}-writer`, node)
        const { epoch } = await ask(writer, Elect, {}, completeMs)
        const data = new TextEncoder().encode(operands[0])
        const { position } = await ask(writer, Append, { epoch, data }, completeMs)
        await ask(writer, Resign, { epoch })
        terminal.out(options.output === 'json' ? renderJson({ position, epoch }) : `${position}\n`)
      }),
    ),
})

const init = command({
  name: 'init',
  section: 'log_init',
  summary: 'Begin a new log where that does not happen by itself.',
  about:
    'Makes every EMPTY replica vote with an empty log. For all replicas of a new log, and never for one that\n' +
    'lost its disk: what only it knew would be forgotten. All replicas must be up, and all must be EMPTY.',
  examples: [['meseta log init', 'the log of the masters, started with --no-log-auto-initialize']],
  shared: { ...connectionSettings, ...outputSettings },
  own: {
    ...logSetting,
    replicas: Type.Integer({
      description: 'how many replicas the log has',
      default: 1,
      minimum: 1,
    }),
  },
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      asNode(options, async (ask) => {
        const { log } = options
        const nodes = await nodesWith(client, log)
        const found = await Promise.all(nodes.map((node) => look(ask, log, node)))
        const others = found.filter(({ status }) => status !== 'EMPTY')
        if (others.length > 0 || found.length !== options.replicas) {
          const seen = found.map(({ node, status }) => `${node} is ${status}`).join(', ')
          throw new CommandError(
            'LOG_NOT_NEW',
            `the log ${log} is not begun: ${options.replicas} EMPTY replicas are needed, but ${seen}`,
            'Start all replicas on empty directories, and say with --replicas how many there are.',
          )
        }
        for (const node of nodes) await ask(pid(log, node), Initialize, {})
        terminal.out(`${nodes.join(', ')}: VOTING\n`)
      }),
    ),
})

export const logCommand = noun(
  'log',
  'Logs: the replicated logs of the cluster and of frameworks.',
  [status, read, append, init],
)
