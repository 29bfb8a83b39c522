/**
 * Roles as a part of the share tree. A role `a/b` is a node below that of `a`; its frameworks hang from
 * a node of their own below it, called `.`, so that they compete as one with the roles below `a/b`.
 * A role exists while it or a role below it has frameworks. Spec: allocator.md §2, §4.
 */
import type { Quota, Quotas } from './quota.ts'
import { ROOT, type ShareTree } from './share-tree.ts'

export interface Role {
  readonly path: string
  readonly parent: Role | undefined
  readonly node: number
  /** That of its top-level role. */
  quota: Quota | undefined
  /** The latest `opened` of the clients in it and below. */
  opened: number
  /** The node of its own frameworks, once there were any. */
  members: number | undefined
}

/** Name of the node that holds a role's own frameworks; no component of a role may be called so. */
const MEMBERS = '.'

export class Roles {
  readonly #tree: ShareTree
  readonly #quotas: Quotas
  readonly #roles = new Map<string, Role>()
  /** By node. */
  readonly #byNode: Array<Role | undefined> = []
  /** By the node of its members. */
  readonly #byMembers: Array<Role | undefined> = []
  /** By path, whether the role exists or not; absent = 1. */
  readonly #weights = new Map<string, number>()

  constructor(tree: ShareTree, quotas: Quotas) {
    this.#tree = tree
    this.#quotas = quotas
  }

  /** Adds a framework to a role. Returns its leaf, inactive and without holdings. */
  join(path: string, framework: string): number {
    const role = this.#require(path)
    if (role.members === undefined) {
      role.members = this.#tree.add(role.node, MEMBERS)
      this.#byMembers[role.members] = role
    }
    return this.#tree.add(role.members, framework)
  }

  /** Takes a leaf that holds nothing out of its role, and the role away if it has become empty. */
  leave(path: string, leaf: number): void {
    this.#tree.remove(leaf)
    let role = this.#roles.get(path)
    if (role?.members !== undefined && !this.#tree.hasChildren(role.members)) {
      this.#tree.remove(role.members)
      this.#byMembers[role.members] = undefined
      role.members = undefined
    }
    for (; role !== undefined && !this.#tree.hasChildren(role.node); role = role.parent) {
      this.#tree.remove(role.node)
      this.#byNode[role.node] = undefined
      this.#roles.delete(role.path)
    }
  }

  /** The role whose own frameworks hang from this node, if it is such a node. */
  atMembers(node: number): Role | undefined {
    return this.#byMembers[node]
  }

  /** The role of a node that is not that of its members. */
  at(node: number): Role | undefined {
    return this.#byNode[node]
  }

  /** All that there are, those above others before them. */
  [Symbol.iterator](): Iterator<Role> {
    return this.#roles.values()
  }

  find(path: string): Role | undefined {
    return this.#roles.get(path)
  }

  /** `weight` is above 0. Holds for the role as a whole, with the roles below it. */
  setWeight(path: string, weight: number): void {
    this.#weights.set(path, weight)
    const role = this.#roles.get(path)
    if (role !== undefined) this.#tree.setWeight(role.node, weight)
  }

  /** Quotas are others now. */
  refreshQuotas(): void {
    for (const role of this.#roles.values()) role.quota = this.#quotas.of(role.path)
  }

  #require(path: string): Role {
    const known = this.#roles.get(path)
    if (known !== undefined) return known
    const slash = path.lastIndexOf('/')
    const parent = slash < 0 ? undefined : this.#require(path.slice(0, slash))
    const node = this.#tree.add(parent?.node ?? ROOT, path.slice(slash + 1))
    this.#tree.setWeight(node, this.#weights.get(path) ?? 1)
    const quota = this.#quotas.of(path)
    const role: Role = { path, parent, node, quota, opened: 0, members: undefined }
    this.#roles.set(path, role)
    this.#byNode[node] = role
    return role
  }
}
