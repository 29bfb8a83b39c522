/** What an operator may set about a node's part of a log, the same for all modules that host one. */
import Type from 'typebox'
import type { LogOptions } from './index.ts'

/** Properties for the options of a module. */
export const logSettings = {
  replicas: Type.String({
    description:
      'names of all nodes with a replica, separated by commas, the same list on each (default: this node alone)',
    default: '',
    placeholder: 'NAME,...',
  }),
  quorum: Type.Integer({
    description: 'replicas that make a decision; 0 = the smallest majority',
    default: 0,
    minimum: 0,
  }),
  log_auto_initialize: Type.Boolean({
    description: 'when all replicas are there and empty, a new log begins by itself',
    default: true,
  }),
}

interface LogSettings {
  readonly replicas: string
  readonly quorum: number
  readonly log_auto_initialize: boolean
}

/** What they say for the log on a node. */
export function logOptions(
  { replicas, quorum, log_auto_initialize: autoInitialize }: LogSettings,
  node: string,
): Pick<LogOptions, 'node' | 'replicas' | 'quorum' | 'autoInitialize'> {
  const names = replicas === '' ? [node] : replicas.split(',').map((name) => name.trim())
  return { node, replicas: names, autoInitialize, ...(quorum > 0 && { quorum }) }
}
