/** Role names and the tree they form. Spec: resources.md §3.2. */

/** Tab, line feed, vertical tab, form feed, carriage return, space, DEL. */
const FORBIDDEN = /[\t\n\v\f\r \x7f]/

/** Why `role` is not a valid role name, or nothing. */
export function roleNameError(role: string): string | undefined {
  if (role === '*') return undefined
  if (role === '') return 'a role must not be empty'
  if (role.startsWith('/')) return `role '${role}' must not start with a slash`
  if (role.endsWith('/')) return `role '${role}' must not end with a slash`
  for (const component of role.split('/')) {
    if (component === '') return `role '${role}' must not have two slashes in a row`
    if (component === '.' || component === '..' || component === '*') {
      return `role '${role}' must not have '${component}' as a component`
    }
    if (component.startsWith('-'))
      return `component '${component}' of a role must not start with '-'`
    if (FORBIDDEN.test(component)) {
      return `component ${JSON.stringify(component)} of a role must not hold white space or DEL`
    }
  }
  return undefined
}

/** `eng/prod` is below `eng`; `eng` and `eng2` are not. */
export function isStrictSubrole(role: string, ancestor: string): boolean {
  return role.length > ancestor.length && role[ancestor.length] === '/' && role.startsWith(ancestor)
}

/** The role itself or one below it. */
export function isInSubtree(role: string, root: string): boolean {
  return role === root || isStrictSubrole(role, root)
}

/** Whether the role is a path of more than one component. */
export function isHierarchical(role: string): boolean {
  return role.includes('/')
}

/** Ancestors from the nearest to the root: `a/b/c` gives `a/b`, `a`. */
export function ancestorsOf(role: string): string[] {
  const ancestors: string[] = []
  for (let slash = role.lastIndexOf('/'); slash > 0; slash = role.lastIndexOf('/', slash - 1)) {
    ancestors.push(role.slice(0, slash))
  }
  return ancestors
}
