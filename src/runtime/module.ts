/**
 * A module that a node hosts: `meseta start PATH` imports it, reads its options from flags, environment
 * and file by its schema, and starts its children under the node's root. Our own components are started
 * the same way (design.md §2).
 *
 *     export default nodeModule({
 *       name: 'counter',
 *       summary: 'Counts what it is told.',
 *       options: Type.Object({ start: Type.Integer({ default: 0, description: 'first value' }) }),
 *       children: ({ start }) => [counter(start)],
 *     })
 */
import type { Static, TObject } from 'typebox'
import type { ChildSpec } from './behaviour.ts'
import type { Ports } from './ports.ts'
import type { SupervisorOptions } from './supervisor.ts'

export interface HostContext {
  readonly ports: Ports
  readonly cluster: string
  /** The node's name. */
  readonly node: string
}

export interface NodeModule<Options extends TObject = TObject> {
  /** What the command calls it; the node's name begins with it. */
  readonly name: string
  readonly summary: string
  /**
   * Every property is a string, number, integer, boolean or array of strings, in snake_case, with a
   * `description` and, unless required, a `default`. `work_dir` becomes `--work-dir`,
   * `MESETA_<NAME>_WORK_DIR` and the key `work_dir` of the section `<name>`.
   */
  readonly options: Options
  /**
   * What to start, made before the broker is reached. May reject: the sentence is shown to the operator and
   * the node does not start. An error whose `code` is `USAGE` says that an option is wrong.
   */
  readonly children: (
    options: Static<Options>,
    context: HostContext,
  ) => readonly ChildSpec[] | Promise<readonly ChildSpec[]>
  readonly supervision?: Partial<SupervisorOptions>
  /** See `NodeOptions`. */
  readonly lanes?: readonly string[]
  /** See `NodeOptions`; for a node of that name. */
  readonly near?: (options: Static<Options>, node: string) => readonly string[]
}

/** Keeps the types of a module's options together. */
export function nodeModule<Options extends TObject>(
  module: NodeModule<Options>,
): NodeModule<Options> {
  return module
}
