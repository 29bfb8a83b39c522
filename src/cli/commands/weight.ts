/** `meseta weight`: how much of the cluster a role is to have beside the others. */
import { GetWeights, UpdateWeights, type WeightInfo } from '../../../protocol/operator.ts'
import { command, noun } from '../command.ts'
import { withCluster } from '../connection.ts'
import { usage } from '../errors.ts'
import { type Listing, printOrWatch, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'

const ls = command({
  name: 'ls',
  section: 'weight_ls',
  summary: 'List the weights that were set; those of all other roles are 1.',
  examples: [['meseta weight ls', 'a table']],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const { weight_infos } = (await client.master(GetWeights)).get_weights
        return renderListing(listing, weight_infos, options.output, terminal)
      }),
    ),
})

const set = command({
  name: 'set',
  section: 'weight_set',
  operands: '<role=weight...>',
  summary: 'Set the weights of roles.',
  about:
    'A role of weight 2 is to have twice as much as one of weight 1. Running tasks are left alone; offers that are out are withdrawn if one of the roles is in use.',
  examples: [
    ['meseta weight set eng=2', 'one role'],
    ['meseta weight set eng=2 ops=0.5', 'several at once'],
    ['meseta weight set eng=1', 'as it was before'],
  ],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const weight_infos = operands.map(parseWeight)
      await client.master(UpdateWeights, { update_weights: { weight_infos } })
      for (const { role, weight } of weight_infos) terminal.out(`${role} has weight ${weight}\n`)
    }),
})

export const weightCommand = noun('weight', 'Weights: how roles share the cluster.', [ls, set])

/** @throws CommandError USAGE for what is no ROLE=WEIGHT */
export function parseWeight(text: string): Required<WeightInfo> {
  const found = /^(.+)=(\d+(?:\.\d+)?|\.\d+)$/.exec(text)
  const weight = Number(found?.[2])
  if (found === null || weight === 0) {
    throw usage(`${text}: must be ROLE=WEIGHT with a weight above 0, as in eng=2`)
  }
  return { role: found[1]!, weight }
}

const listing: Listing<WeightInfo> = {
  empty: 'No weights are set: all roles share alike. Set one with: meseta weight set ROLE=WEIGHT',
  name: ({ role = '' }) => role,
  document: (info) => info,
  columns: [
    { title: 'ROLE', value: ({ role = '' }) => role },
    { title: 'WEIGHT', value: ({ weight }) => String(weight), right: true },
  ],
}
