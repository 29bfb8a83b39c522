/** `meseta offer`: what frameworks are being offered. */
import { GetOffers } from '../../../protocol/operator.ts'
import type { Offer } from '../../../protocol/v1/offer.ts'
import { amountsText } from '../amounts.ts'
import { command, noun } from '../command.ts'
import { withCluster } from '../connection.ts'
import { type Listing, printOrWatch, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'

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

export const offerCommand = noun('offer', 'Offers: what frameworks may use.', [ls])

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
