/** `meseta offer`: what frameworks are being offered. */
import Type from 'typebox'
import { GetOffers, RescindOffers } from '../../../protocol/operator.ts'
import type { FrameworkId, OfferId } from '../../../protocol/v1/ids.ts'
import type { Offer } from '../../../protocol/v1/offer.ts'
import { amountsText } from '../amounts.ts'
import { command, noun } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { usage } from '../errors.ts'
import { resolveId } from '../ids.ts'
import { type Listing, printOrWatch, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'
import { findAgent } from './agent.ts'
import { findFramework } from './framework.ts'
import { watchCommand } from './offer-watch.ts'

const ls = command({
  name: 'ls',
  section: 'offer_ls',
  summary: 'List the offers that are out.',
  examples: [
    ['meseta offer ls', 'who is being offered what'],
    ['meseta offer ls --watch', 'again every two seconds'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const { get_offers } = await client.master(GetOffers)
        return renderListing(listing, get_offers.offers, options.output, terminal)
      }),
    ),
})

const rescind = command({
  name: 'rescind',
  section: 'offer_rescind',
  operands: '[id...]',
  summary: 'Withdraw offers: their frameworks are told, and what they held is free again.',
  about:
    'Name offers, or the framework or the agent (or both) whose offers are meant, or --all. What is free again is offered anew in the next cycle, perhaps to the same framework.',
  examples: [
    ['meseta offer rescind 3f-O17', 'one offer'],
    ['meseta offer rescind --framework 3f', 'all that a framework holds'],
    ['meseta offer rescind --agent host7', 'all of an agent'],
    ['meseta offer rescind --all', 'every offer that is out'],
  ],
  shared: connectionSettings,
  own: {
    framework: Type.String({
      description: 'those of this framework: its id, or a prefix of it',
      default: '',
      placeholder: 'ID',
    }),
    agent: Type.String({
      description: 'those of this agent: its id, a prefix of it, or its host',
      default: '',
      placeholder: 'AGENT',
    }),
    all: Type.Boolean({ description: 'every offer', default: false }),
  },
  run: ({ options, operands, terminal }) => {
    const { framework, agent, all } = options
    const ways = [operands.length > 0, framework !== '' || agent !== '', all]
    if (ways.filter(Boolean).length !== 1) {
      throw usage('say which: ids of offers, or --framework or --agent, or --all')
    }
    return withCluster(options, async (client) => {
      const selection = {
        ...(operands.length > 0 && { offer_ids: await offersNamed(client, operands) }),
        ...(framework !== '' && { framework_id: await frameworkNamed(client, framework) }),
        ...(agent !== '' && { agent_id: (await findAgent(client, agent)).agent_info.id! }),
        ...(all && { all }),
      }
      const { rescind_offers } = await client.master(RescindOffers, { rescind_offers: selection })
      const { count } = rescind_offers
      terminal.out(`${count} offer${count === 1 ? ' is' : 's are'} rescinded\n`)
    })
  },
})

export const offerCommand = noun('offer', 'Offers: what frameworks may use.', [
  ls,
  watchCommand,
  rescind,
])

async function offersNamed(client: ClusterClient, given: readonly string[]): Promise<OfferId[]> {
  const { offers } = (await client.master(GetOffers)).get_offers
  const candidates = offers.map(({ id }) => ({ id: id.value }))
  return given.map((each) => ({ value: resolveId('offer', each, candidates).id }))
}

async function frameworkNamed(client: ClusterClient, given: string): Promise<FrameworkId> {
  return (await findFramework(client, given)).framework.framework_info.id!
}

const listing: Listing<Offer> = {
  empty: 'There are no offers: no framework wants any, or nothing is free.',
  name: ({ id }) => id.value,
  document: (offer) => offer,
  columns: [
    { title: 'ID', value: ({ id }) => id.value },
    { title: 'FRAMEWORK', value: ({ framework_id }) => framework_id.value },
    { title: 'HOST', value: ({ hostname }) => hostname },
    { title: 'ROLE', value: ({ allocation_info }) => allocation_info?.role ?? '*' },
    { title: 'RESOURCES', value: ({ resources }) => amountsText(resources) },
    { title: 'AGENT', value: ({ agent_id }) => agent_id.value, wide: true },
  ],
}
