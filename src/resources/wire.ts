/** Collections as the documents that frameworks and operators read. Spec: resources.md §3.4, §4. */
import { err, ok } from '../../protocol/result.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import { distinct, type Resources } from './collection.ts'
import { type Checked, fault } from './fault.ts'
import { downgrade, type ResourceFormat } from './formats.ts'

/**
 * The documents to send, shared resources once each.
 * Refuses refined reservations in the `pre` format, which cannot say them.
 */
export function toWire(collection: Resources, format: ResourceFormat): Checked<Resource[]> {
  const documents: Resource[] = []
  for (const resource of distinct(collection)) {
    const document = downgrade(resource, format)
    if (document === undefined) {
      const place = `[${documents.length}].reservations`
      const message = 'a refined reservation needs a reader that knows RESERVATION_REFINEMENT'
      return err(fault('FORMAT', place, message))
    }
    documents.push(document)
  }
  return ok(documents)
}
