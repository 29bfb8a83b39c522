/** FullSort and HierarchyFullSort: the share tree by itself. Spec: allocator.md §4, §16. */
import { ResourceNames } from '../../actors/allocator/bundle.ts'
import { drf } from '../../actors/allocator/policies.ts'
import { NEXT, ROOT, ShareTree, type Visitor } from '../../actors/allocator/share-tree.ts'
import { stream } from '../../src/runtime/ports/index.ts'
import { timed } from './allocator-world.ts'
import type { Line } from './bookkeeping-cases.ts'

/** Thousandths of cpus, mem and disk: what an agent has, and what of it is allocated. */
const total = Float64Array.of(24_000, 4_096_000, 4_096_000)
const allocated = Float64Array.of(16_000, 2_014_000, 1_024_000)

/** All clients in one role. */
export function sortFlat(agents: number, clients: number): Promise<Line[]> {
  const tree = newTree()
  return work(tree, `${clients} clients`, agents, () => addChildren(tree, ROOT, clients))
}

/** Clients are the leaves of a tree of roles, of the heights and branches that Mesos has. */
export async function sortDeep(agents: number): Promise<Line[]> {
  const shapes = [
    { height: 2, branches: 32 },
    { height: 6, branches: 3 },
    { height: 9, branches: 2 },
  ]
  const lines: Line[] = []
  for (const { height, branches } of shapes) {
    const tree = newTree()
    const leavesBelow = (node: number, level: number): number[] => {
      const children = addChildren(tree, node, branches)
      return level === 1 ? children : children.flatMap((each) => leavesBelow(each, level - 1))
    }
    const shape = `${height} levels of ${branches}`
    lines.push(...(await work(tree, shape, agents, () => leavesBelow(ROOT, height))))
  }
  return lines
}

function newTree(): ShareTree {
  const names = new ResourceNames()
  for (const name of ['cpus', 'mem', 'disk']) names.number(name)
  return new ShareTree({ names, policy: drf, random: stream(1), excluded: [] })
}

function addChildren(tree: ShareTree, parent: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => tree.add(parent, `client-${i}`))
}

async function work(
  tree: ShareTree,
  shape: string,
  agents: number,
  add: () => readonly number[],
): Promise<Line[]> {
  const lines: Line[] = []
  let clients: readonly number[] = []
  const measure = async (what: string, run: () => number, limitMs?: number) => {
    let count = 0
    const times = await timed(() => {
      count = run()
    })
    const limit = limitMs === undefined ? {} : { limitMs }
    lines.push({ what: `${shape}: ${what}`, count, ...times, ...limit })
  }
  const eachAgent = (run: (client: number) => void) => {
    for (let i = 0; i < agents; i++) run(clients[i % clients.length]!)
    return agents
  }
  const walk = () => {
    tree.walk(everyone)
    return clients.length
  }
  await measure('add and activate', () => {
    clients = add()
    for (const client of clients) tree.activate(client)
    return clients.length
  })
  for (let i = 0; i < agents; i++) tree.changeTotals(total, 1)
  await measure('allocate on each agent', () =>
    eachAgent((client) => tree.allocated(client, allocated)),
  )
  tree.changeTotals(total, 1)
  const plain = Float64Array.from(clients, (client) => tree.dominantShare(client))
  const limit = await timed(() => void plain.sort())
  await measure('full sort', walk, limit.ms)
  await measure('walk, sorted already', walk)
  await measure('release on each agent', () =>
    eachAgent((client) => tree.released(client, allocated)),
  )
  await measure('remove', () => {
    for (const client of clients) tree.remove(client)
    return clients.length
  })
  return lines
}

/** Passes by nobody and takes nothing. */
const everyone: Visitor = {
  selective: false,
  ignores: () => false,
  enter: () => true,
  visit: () => NEXT,
}
