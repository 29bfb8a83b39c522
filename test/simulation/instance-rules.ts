/**
 * M2, M3: of the instances of a framework one is connected: events go to the newest stream only (and offers to
 * one of them: `history.ts`); and who is over does not come back. Spec: simulation.md §9; scheduler-api.md §2.
 */
import { Violation } from './history.ts'

/** The key after which a stream's id stands in an event, and how long that may be. */
const streamKey = Buffer.from('stream_id')
/** MessagePack: a text of up to 31 bytes begins with this and its length. */
const shortText = 0xa0

export class InstanceHistory {
  /** Of each framework: epoch and number of the newest stream on which something was said. */
  readonly #streams = new Map<string, readonly [epoch: number, number: number]>()

  /** A master publishes an event of a framework. */
  said(framework: string, data: Uint8Array): void {
    const stream = streamOf(data)
    if (stream === undefined) return
    const [epoch, number] = stream
    const [newestEpoch, newest] = this.#streams.get(framework) ?? [epoch, number]
    if (epoch === newestEpoch && number < newest)
      throw new Violation(
        'M2',
        `an event goes to stream ${epoch}-${number} of ${framework} after ${newestEpoch}-${newest}`,
      )
    if (epoch >= newestEpoch) this.#streams.set(framework, stream)
  }
}

/** Where a leader has the frameworks that it knows of. */
export function checkOver(live: ReadonlyMap<string, unknown>, over: Iterable<string>): void {
  for (const id of over)
    if (live.has(id)) throw new Violation('M3', `${id} is over, and is known as alive`)
}

/** Without decoding all of an event, which may hold hundreds of offers. */
function streamOf(data: Uint8Array): readonly [epoch: number, number: number] | undefined {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const at = bytes.lastIndexOf(streamKey)
  if (at < 0) return undefined
  const begin = at + streamKey.length
  const length = (bytes[begin] ?? 0) - shortText
  const text = bytes.toString('latin1', begin + 1, begin + 1 + length)
  const [epoch, number] = text.split('-').map(Number)
  return [epoch ?? 0, number ?? 0]
}
