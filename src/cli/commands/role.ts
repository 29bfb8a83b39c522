/** `meseta role`: who shares the cluster. */
import { GetFrameworks, GetRoles } from '../../../protocol/operator.ts'
import type { Role } from '../../../protocol/v1/state.ts'
import { scalarsText } from '../amounts.ts'
import { command, noun } from '../command.ts'
import { type ClusterClient, withCluster } from '../connection.ts'
import { resolveId } from '../ids.ts'
import { type Listing, printOrWatch, renderFacts, renderJson, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'

const ls = command({
  name: 'ls',
  section: 'role_ls',
  summary: 'List the roles and what they have of the cluster.',
  about:
    'Those that a framework is in, or that have a weight, a quota, a reservation or something in use, and the roles above them. Amounts are those of a role and of all roles below it.',
  examples: [
    ['meseta role ls', 'a table'],
    ['meseta role ls -o wide', 'with quotas, and how much of them is consumed'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () =>
        renderListing(listing, await rolesOf(client), options.output, terminal),
      ),
    ),
})

const info = command({
  name: 'info',
  section: 'role_info',
  operands: '<role>',
  summary: 'Show one role: its frameworks, its quota, what it has.',
  examples: [['meseta role info eng', 'the role eng and all roles below it']],
  shared: { ...connectionSettings, ...outputSettings },
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const candidates = (await rolesOf(client)).map((role) => ({ id: role.name, role }))
      const { role } = resolveId('role', operands[0]!, candidates)
      if (options.output === 'json') return terminal.out(renderJson(role))
      if (options.output === 'name') return terminal.out(`${role.name}\n`)
      const below = candidates.filter(({ id }) => id.startsWith(`${role.name}/`))
      terminal.out(
        renderFacts(
          [
            ['role', role.name],
            ['weight', String(role.weight)],
            ['guaranteed', scalarsText(role.quota?.guarantees)],
            ['limited to', scalarsText(role.quota?.limits)],
            ['consumed', scalarsText(role.quota?.consumed)],
            ['used', scalarsText(role.allocated)],
            ['offered', scalarsText(role.offered)],
            ['reserved', scalarsText(role.reserved)],
            ['roles below', below.map(({ id }) => id).join('\n') || '-'],
            ['frameworks', await frameworksText(client, role)],
          ],
          terminal,
        ),
      )
    }),
})

export const roleCommand = noun('role', 'Roles: who shares the cluster.', [ls, info])

async function rolesOf(client: ClusterClient): Promise<Role[]> {
  return (await client.master(GetRoles)).get_roles.roles ?? []
}

/** Ids with names, a line each. */
async function frameworksText(client: ClusterClient, { frameworks = [] }: Role): Promise<string> {
  if (frameworks.length === 0) return '-'
  const listed = (await client.master(GetFrameworks)).get_frameworks.frameworks
  const names = new Map(listed.map(({ framework_info: { id, name } }) => [id?.value ?? '', name]))
  return frameworks.map(({ value }) => `${value}  ${names.get(value) ?? ''}`.trimEnd()).join('\n')
}

const listing: Listing<Role> = {
  empty: 'There are no roles: no framework is subscribed, and none has a weight or a quota.',
  name: ({ name }) => name,
  document: (role) => role,
  columns: [
    { title: 'ROLE', value: ({ name }) => name },
    { title: 'WEIGHT', value: ({ weight }) => String(weight), right: true },
    {
      title: 'FRAMEWORKS',
      value: ({ frameworks }) => String(frameworks?.length ?? 0),
      right: true,
    },
    { title: 'USED', value: ({ allocated }) => scalarsText(allocated) },
    { title: 'OFFERED', value: ({ offered }) => scalarsText(offered) },
    { title: 'RESERVED', value: ({ reserved }) => scalarsText(reserved) },
    { title: 'GUARANTEED', value: ({ quota }) => scalarsText(quota?.guarantees), wide: true },
    { title: 'LIMITED TO', value: ({ quota }) => scalarsText(quota?.limits), wide: true },
    { title: 'CONSUMED', value: ({ quota }) => scalarsText(quota?.consumed), wide: true },
  ],
}
