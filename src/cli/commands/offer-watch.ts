/** `meseta offer watch`: offers as frameworks get and lose them. */
import Type from 'typebox'
import { decode } from '../../../protocol/codec.ts'
import { toJson } from '../../../protocol/json.ts'
import { WatchOffers } from '../../../protocol/operator.ts'
import { type Event, validateEvent } from '../../../protocol/scheduler.ts'
import type { Offer } from '../../../protocol/v1/offer.ts'
import { amountsText } from '../amounts.ts'
import { command } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { connectionSettings, outputSettings } from '../shared-settings.ts'
import type { Terminal } from '../terminal.ts'
import { timestamp } from '../times.ts'

/** A third of the time that a watch lasts; a new leader knows of none. */
const RENEW_MS = 10_000

/** One offer that was made, or withdrawn. */
type Change =
  | { readonly type: 'OFFER'; readonly framework_id: string; readonly offer: Offer }
  | { readonly type: 'RESCIND'; readonly framework_id: string; readonly offer_id: string }

export const watchCommand = command({
  name: 'watch',
  section: 'offer_watch',
  summary: 'Follow offers as they are made and rescinded, until Ctrl-C.',
  about:
    'Offers that are out already are shown by "meseta offer ls"; what frameworks do with theirs is not told here.',
  examples: [
    ['meseta offer watch', 'a line each'],
    ['meseta offer watch --framework 3f', 'those of a framework'],
    ['meseta offer watch -o json', 'documents, one a line'],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: {
    framework: Type.String({
      description: 'only of this framework (prefix of its id)',
      default: '',
      placeholder: 'ID',
    }),
    count: Type.Integer({
      description: 'end after so many; 0: never',
      default: 0,
      minimum: 0,
      placeholder: 'N',
    }),
  },
  run: ({ options, terminal }) =>
    withCluster(options, async (client) => {
      const { framework, count, output } = options
      let left = count === 0 ? Number.POSITIVE_INFINITY : count
      let end: () => void = () => {}
      const ended = new Promise<void>((resolve) => {
        end = resolve
      })
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end)
      client.connection.subscribe(client.subjects.allOffers, ({ subject, data }) => {
        const id = client.subjects.parseOffers(subject)
        if (id === undefined || !id.startsWith(framework)) return
        const decoded = decode(data)
        const event = decoded.ok ? validateEvent(decoded.value.value) : decoded
        if (!event.ok) return terminal.note('an event that cannot be read was left out')
        for (const change of changesOf(id, event.value)) {
          if (left-- <= 0) break
          const text = output === 'json' ? JSON.stringify(toJson(change)) : line(change, terminal)
          terminal.out(`${text}\n`)
        }
        if (left <= 0) end()
      })
      await client.connection.flush()
      await client.master(WatchOffers)
      const stop = renew(client, terminal)
      await ended
      stop()
    }),
})

/** Keeps the watch going, with the leader of the time. Returns what ends that. */
function renew(client: ClusterClient, terminal: Terminal): () => void {
  let failed = false
  const ask = () =>
    client.master(WatchOffers).then(
      () => {
        failed = false
      },
      (error: Error) => {
        if (!failed) terminal.note(`nothing is told for the time being: ${error.message}`)
        failed = true
      },
    )
  client.connection.subscribe(client.subjects.events('leader'), () => void ask())
  const timer = setInterval(ask, RENEW_MS)
  return () => clearInterval(timer)
}

function changesOf(framework_id: string, event: Event): Change[] {
  if (event.type === 'OFFERS') {
    const { offers = [] } = event.offers
    return offers.map((offer) => ({ type: 'OFFER', framework_id, offer }))
  }
  if (event.type !== 'RESCIND') return []
  return [{ type: 'RESCIND', framework_id, offer_id: event.rescind.offer_id.value }]
}

function line(change: Change, { color }: Terminal): string {
  const head = (id: string) =>
    `${color.dim(timestamp(Date.now()))}  ${change.type.padEnd(7)}  ${id}  ${change.framework_id}`
  if (change.type === 'RESCIND') return head(change.offer_id)
  const { id, hostname, allocation_info, resources } = change.offer
  const role = allocation_info?.role ?? '*'
  return `${head(id.value)}  ${hostname}  ${role}  ${amountsText(resources)}`
}
