/** `meseta actor`: the actors of every node, as the nodes themselves tell of them. */
import type { ActorInfo, NodeInfo } from '../../../protocol/node.ts'
import { command, noun } from '../command.ts'
import { withCluster } from '../connection.ts'
import { resolveId } from '../ids.ts'
import { nodesOf } from '../nodes.ts'
import { type Listing, printOrWatch, renderFacts, renderJson, renderListing } from '../output.ts'
import { connectionSettings, outputSettings, watchSettings } from '../shared-settings.ts'
import { age } from '../times.ts'

const tree = command({
  name: 'tree',
  section: 'actor_tree',
  summary: 'List the actors of every node, children below their parents.',
  examples: [
    ['meseta actor tree', 'who supervises whom, and how busy they are'],
    ['meseta actor tree -o wide --watch', 'with counts, again every two seconds'],
  ],
  shared: { ...connectionSettings, ...outputSettings, ...watchSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, (client) =>
      printOrWatch(options, terminal, async () => {
        const nodes = await nodesOf(client)
        if (options.output === 'json') return renderJson(nodes)
        return renderListing(listing, nodes.flatMap(rowsOf), options.output, terminal)
      }),
    ),
})

const info = command({
  name: 'info',
  section: 'actor_info',
  operands: '<id>',
  summary: 'Show one actor and what its node has lost.',
  examples: [
    ['meseta actor info allocator', 'the actor of that id, if one node alone has it'],
    ['meseta actor info agent@agent-2 -o json', 'by id and node, as a document'],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: {},
  run: ({ options, operands, terminal }) =>
    withCluster(options, async (client) => {
      const candidates = (await nodesOf(client)).flatMap((node) =>
        node.actors.map((actor) => {
          const name = `${actor.id}@${node.node}`
          return { id: name, names: [actor.id, actor.pid], label: name, actor, node }
        }),
      )
      const { actor, node } = resolveId('actor', operands[0]!, candidates)
      if (options.output === 'json') return terminal.out(renderJson(actor))
      if (options.output === 'name') return terminal.out(`${actor.pid}\n`)
      terminal.out(renderFacts(factsOf(actor, node), terminal))
    }),
})

export const actorCommand = noun('actor', 'Actors: what the nodes of the cluster are made of.', [
  tree,
  info,
])

/** One line of the tree. */
interface Row {
  readonly node: NodeInfo
  readonly actor: ActorInfo
  readonly depth: number
}

const listing: Listing<Row> = {
  empty: 'No node answers. Start a cluster with: meseta up',
  name: ({ actor }) => actor.pid,
  document: ({ actor }) => actor,
  columns: [
    { title: 'NODE', value: ({ node, depth }) => (depth === 0 ? node.node : '') },
    { title: 'ACTOR', value: ({ actor, depth }) => `${'  '.repeat(depth)}${actor.id}` },
    { title: 'KIND', value: ({ actor }) => actor.label },
    { title: 'STATE', value: ({ actor }) => actor.state ?? actor.phase },
    { title: 'MAILBOX', value: ({ actor }) => String(actor.mailbox), right: true },
    { title: 'MSG/S', value: ({ actor }) => actor.rate.toFixed(1), right: true },
    { title: 'BUSY', value: ({ actor }) => percent(actor.busy), right: true },
    { title: 'RESTARTS', value: ({ actor }) => String(actor.restarts), right: true },
    { title: 'HANDLED', value: ({ actor }) => String(actor.handled), right: true, wide: true },
    { title: 'TIMERS', value: ({ actor }) => String(actor.timers), right: true, wide: true },
    { title: 'LINKS', value: ({ actor }) => String(actor.links), right: true, wide: true },
    { title: 'AGE', value: ({ actor }) => ageText(actor.age_seconds), right: true },
  ],
}

/** The actors of a node, each below its parent. */
function rowsOf(node: NodeInfo): Row[] {
  const children = new Map<string | undefined, ActorInfo[]>()
  for (const actor of node.actors) {
    const siblings = children.get(actor.parent)
    if (siblings === undefined) children.set(actor.parent, [actor])
    else siblings.push(actor)
  }
  const rows: Row[] = []
  const visit = (parent: string | undefined, depth: number) => {
    for (const actor of children.get(parent) ?? []) {
      rows.push({ node, actor, depth })
      visit(actor.id, depth + 1)
    }
  }
  visit(undefined, 0)
  return rows
}

function factsOf(actor: ActorInfo, node: NodeInfo): Array<readonly [string, string]> {
  const last = node.dead_letters.last
    .slice(-5)
    .map(({ type, to, why }) => `${type} to ${to}: ${why}`)
  return [
    ['pid', actor.pid],
    ['kind', actor.label],
    ['parent', actor.parent ?? '-'],
    ['state', actor.state ?? actor.phase],
    ['mailbox', `${actor.mailbox} of ${actor.mailbox_max}`],
    ['handled', `${actor.handled}, ${actor.rate.toFixed(1)} a second of late`],
    ['busy', percent(actor.busy)],
    ['restarts', String(actor.restarts)],
    ['timers', String(actor.timers)],
    ['subscriptions', String(actor.subscriptions)],
    ['links', String(actor.links)],
    ['age', ageText(actor.age_seconds)],
    ['node', `${node.node}, up ${ageText(node.age_seconds)}`],
    ['node lost', `${node.gaps} gaps, ${node.breaks} breaks, ${node.malformed} malformed frames`],
    ['dead letters', [String(node.dead_letters.count), ...last].join('\n')],
  ]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`
}

function ageText(seconds: number): string {
  return age(0, seconds * 1000)
}
