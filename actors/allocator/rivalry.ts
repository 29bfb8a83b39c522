/** Where two clients part in the share tree, to tell people why one comes before the other. */
import { formatScalar } from '../../src/resources/index.ts'
import type { Client, Cluster } from './cluster.ts'

/**
 * The shares by which the policy orders the two, as they are now.
 * @example `by share: role 'dev' has 40 % of the cluster now, role 'ops' 10 % at weight 2`
 */
export function rivalry(cluster: Cluster, first: Client, other: Client): string {
  const { settings, tree } = cluster
  if (settings.policy.order === 'drawn') return 'by lot'
  const sides = partingOf(cluster, first, other).map(({ name, node }, index) => {
    const share = `${formatScalar(100 * tree.dominantShare(node))} %`
    const weight = tree.weight(node)
    const whole = index === 0 ? ' of the cluster now' : ''
    return `${name} has ${share}${whole}${weight === 1 ? '' : ` at weight ${formatScalar(weight)}`}`
  })
  return `by policy ${settings.policy.name}: ${sides.join(', ')}`
}

/** The siblings at which the paths of the two part. */
function partingOf({ roles }: Cluster, first: Client, other: Client) {
  if (first.role === other.role) {
    return [
      { name: 'it', node: first.leaf },
      { name: 'this one', node: other.leaf },
    ]
  }
  const paths = [first, other].map(({ role }) => role.split('/'))
  let depth = 0
  while (paths[0]![depth] === paths[1]![depth]) depth++
  return paths.map((path) => {
    const name = path.slice(0, depth + 1).join('/')
    const { node, members } = roles.find(name)!
    // Where one role is above the other, its own frameworks are the sibling.
    return { name: `role '${name}'`, node: depth < path.length ? node : members! }
  })
}
