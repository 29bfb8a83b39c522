/** `meseta quota`: what roles are guaranteed, and what they are limited to. */
import Type from 'typebox'
import { GetQuota, UpdateQuota } from '../../../protocol/operator.ts'
import type { QuotaConfig, QuotaState } from '../../../protocol/v1/quota.ts'
import { formatFault, parseResources } from '../../resources/index.ts'
import { scalarsText } from '../amounts.ts'
import { command, noun } from '../command.ts'
import { withCluster } from '../connection.ts'
import { usage } from '../errors.ts'
import { type Listing, printOrWatch, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'

type Amounts = NonNullable<QuotaConfig['limits']>

const ls = command({
  name: 'ls',
  section: 'quota_ls',
  summary: 'List the quotas of roles, and what is charged to them.',
  about:
    'Charged to a role are the reservations to it and to the roles below it, used or not, and what else their tasks use. Offers are not.',
  examples: [
    ['meseta quota ls', 'a table'],
    ['meseta quota ls -o json', 'as documents'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const { status } = (await client.master(GetQuota)).get_quota
        return renderListing(listing, status.configs, options.output, terminal)
      }),
    ),
})

const set = command({
  name: 'set',
  section: 'quota_set',
  operands: '<role>',
  summary: 'Guarantee resources to a role, or limit it.',
  about:
    'This replaces the quota that the role had. A name that is not guaranteed or limited here is not, and 0 as a limit means none at all. The frameworks of the role and of all roles below it share the quota. A guarantee that the agents cannot keep, and a limit below what is in use, are refused unless forced.',
  examples: [
    ["meseta quota set eng --limit 'cpus:40;mem:65536'", 'at most this much'],
    ["meseta quota set eng --guarantee 'cpus:10' --limit 'cpus:10'", 'just this much'],
    ["meseta quota set eng --guarantee 'cpus:10' --force", 'even if there are fewer now'],
  ],
  shared: connectionSettings,
  own: {
    guarantee: Type.String({
      description: 'what is kept for the role, used or not',
      default: '',
      placeholder: 'RESOURCES',
    }),
    limit: Type.String({
      description: 'the most that the role may have',
      default: '',
      placeholder: 'RESOURCES',
    }),
    force: Type.Boolean({ description: 'whatever there is and is in use now', default: false }),
  },
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const [role = ''] = operands
      const { guarantee, limit, force } = options
      if (guarantee === '' && limit === '') {
        throw usage('say --guarantee or --limit; "meseta quota rm" takes the quota away')
      }
      const config: QuotaConfig = {
        role,
        ...(guarantee !== '' && { guarantees: parseAmounts(guarantee, '--guarantee') }),
        ...(limit !== '' && { limits: parseAmounts(limit, '--limit') }),
      }
      await client.master(UpdateQuota, { update_quota: { force, quota_configs: [config] } })
      const parts = [
        config.guarantees && `is guaranteed ${scalarsText(config.guarantees)}`,
        config.limits && `is limited to ${scalarsText(config.limits)}`,
      ]
      terminal.out(`${role} ${parts.filter(Boolean).join(' and ')}\n`)
    }),
})

const rm = command({
  name: 'rm',
  section: 'quota_rm',
  operands: '<role...>',
  summary: 'Take quotas away: nothing guaranteed, nothing limited.',
  examples: [['meseta quota rm eng', 'of one role']],
  shared: connectionSettings,
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const quota_configs = operands.map((role) => ({ role }))
      // Forced, since what is left may be more than the agents have without this being to blame.
      await client.master(UpdateQuota, { update_quota: { force: true, quota_configs } })
      for (const role of operands) terminal.out(`${role} has no quota\n`)
    }),
})

export const quotaCommand = noun('quota', 'Quotas: what roles are guaranteed and limited to.', [
  ls,
  set,
  rm,
])

/**
 * `cpus:4;mem:1024` as amounts by name.
 * @throws CommandError USAGE, naming `where` it was given
 */
export function parseAmounts(text: string, where: string): Amounts {
  const parsed = parseResources(text)
  if (!parsed.ok) throw usage(`${where}: ${formatFault(parsed.error)}`)
  const amounts: Amounts = {}
  for (const { name, scalar, reservations = [] } of parsed.value) {
    if (scalar === undefined) throw usage(`${where}: ${name} must be a number`)
    if (reservations.length > 0) throw usage(`${where}: ${name} must not be that of a role`)
    if (Object.hasOwn(amounts, name)) throw usage(`${where}: ${name} stands twice`)
    amounts[name] = scalar
  }
  return amounts
}

const listing: Listing<QuotaState> = {
  empty: 'No role has a quota. Set one with: meseta quota set ROLE --limit RESOURCES',
  name: ({ role }) => role,
  document: (config) => config,
  columns: [
    { title: 'ROLE', value: ({ role }) => role },
    { title: 'GUARANTEED', value: ({ guarantees }) => scalarsText(guarantees) },
    { title: 'LIMITED TO', value: ({ limits }) => scalarsText(limits) },
    { title: 'CONSUMED', value: ({ consumed }) => scalarsText(consumed) },
  ],
}
