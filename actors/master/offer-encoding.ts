/**
 * Offers as documents and as bytes. Most of an offer is the same each time: what is said of the agent is
 * encoded once in its life, resources once for each list that the allocator hands out, and the pieces
 * are spliced (protocol/splice.ts). Spec: scheduler-api.md §2.1, §5.
 */
import { encode } from '../../protocol/codec.ts'
import { encodeFields, type Fields, field, joinFields, joinItems } from '../../protocol/splice.ts'
import type {
  AgentInfo,
  Offer as OfferDocument,
  Resource,
  Unavailability,
} from '../../protocol/v1/index.ts'
import { type Resources, toWire } from '../../src/resources/index.ts'
import { Slab } from './slab.ts'
import type { Framework, MasterState, Offer } from './state.ts'

/** The fields of an offer that only its agent decides. */
export function encodeAgentPart(
  info: AgentInfo,
  unavailability: Unavailability | undefined,
): Fields {
  const { count, bytes } = encodeFields(agentPart(info, unavailability))
  // Kept as long as the agent: as a view it would keep all of the encoder's buffer, some 8 KiB, with it.
  return { count, bytes: agentParts.keep(bytes) }
}

const agentParts = new Slab()

function agentPart(
  { id, hostname, attributes, domain }: AgentInfo,
  unavailability: Unavailability | undefined,
) {
  return {
    agent_id: id!,
    hostname,
    ...(attributes !== undefined && { attributes }),
    ...(domain !== undefined && { domain }),
    ...(unavailability !== undefined && { unavailability }),
  }
}

/** One offer as its framework reads it. */
export function offerDocument({ id, framework, agent, share }: Offer): OfferDocument {
  const multiRole = framework.capabilities.has('MULTI_ROLE')
  const executors = agent.executors.get(framework.id)
  return {
    id: { value: id },
    framework_id: { value: framework.id },
    ...agentPart(agent.info, agent.unavailability),
    resources: offeredResources(framework, share.role, share.resources),
    ...(multiRole && { allocation_info: { role: share.role } }),
    ...(executors !== undefined && {
      executor_ids: [...executors.keys()].map((value) => ({ value })),
    }),
  }
}

/** An event OFFERS in MessagePack, byte for byte what `encode` would make of the documents. */
export function encodeOffers(state: MasterState, offers: readonly Offer[]): Uint8Array {
  const { framework } = offers[0]!
  const frameworkParts = new Map<string, Fields>()
  const items = offers.map((offer) => {
    const { role } = offer.share
    let part = frameworkParts.get(role)
    if (part === undefined) {
      part = encodeFrameworkPart(framework, role)
      frameworkParts.set(role, part)
    }
    return encodeOffer(offer, part)
  })
  return joinFields(
    encodeFields({ type: 'OFFERS', epoch: state.epoch, stream_id: framework.streamId }),
    field('offers', joinFields(field('offers', joinItems(items)))),
  )
}

/** The fields of an offer that only its framework and role decide. */
function encodeFrameworkPart({ id, capabilities }: Framework, role: string): Fields {
  return encodeFields({
    framework_id: { value: id },
    ...(capabilities.has('MULTI_ROLE') && { allocation_info: { role } }),
  })
}

function encodeOffer({ id, framework, agent, share }: Offer, frameworkPart: Fields): Uint8Array {
  const own = encodeFields({ id: { value: id } })
  const resources = encodedResources(framework, share.role, share.resources)
  const executors = agent.executors.get(framework.id)
  if (executors === undefined) return joinFields(own, frameworkPart, agent.encoded, resources)
  const executor_ids = [...executors.keys()].map((value) => ({ value }))
  const running = encodeFields({ executor_ids })
  return joinFields(own, frameworkPart, running, agent.encoded, resources)
}

/** Ways to write one list that are remembered: a role each, mostly. */
const VARIANTS_MAX = 4096

/** List of resources -> how it is written (see `variantOf`) -> the field `resources`. */
const encodings = new WeakMap<readonly Resource[], Map<string, Fields>>()

function encodedResources(
  framework: Framework,
  role: string,
  resources: readonly Resource[],
): Fields {
  let known = encodings.get(resources)
  if (known === undefined) {
    known = new Map()
    encodings.set(resources, known)
  }
  const variant = variantOf(framework, role)
  let encoded = known.get(variant)
  if (encoded === undefined) {
    if (known.size >= VARIANTS_MAX) known.clear()
    encoded = field('resources', encode(offeredResources(framework, role, resources)))
    known.set(variant, encoded)
  }
  return encoded
}

/** All that a framework contributes to how its resources are written. */
function variantOf({ capabilities }: Framework, role: string): string {
  const format = capabilities.has('RESERVATION_REFINEMENT') ? 'post' : 'pre'
  return capabilities.has('MULTI_ROLE') ? `${format} ${role}` : format
}

function offeredResources(
  { capabilities }: Framework,
  role: string,
  resources: readonly Resource[],
): Resource[] {
  const format = capabilities.has('RESERVATION_REFINEMENT') ? 'post' : 'pre'
  // The allocator offers refined reservations only to those who can read them.
  const written = toWire(resources as Resources, format)
  const documents = written.ok ? written.value : [...resources]
  if (!capabilities.has('MULTI_ROLE')) return documents
  return documents.map((resource) => ({ ...resource, allocation_info: { role } }))
}
