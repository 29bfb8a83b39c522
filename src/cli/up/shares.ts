/**
 * What each agent of `meseta up` has to offer: the machine's resources, shared out. Agents that each
 * offered all of one machine would promise the same port and the same memory several times.
 */

export interface Machine {
  readonly cpus: number
  readonly memoryMb: number
}

/** Ports that agents offer by default (resources.md §2.2). */
const firstPort = 31_000
const lastPort = 32_000
/** Left to the system and the nodes, as an agent does alone. */
const keptMb = 1024

/**
 * Text for `--resources` of the agent with this index. A name that `given` holds is taken from there;
 * disk is left to the agent to detect.
 * @example agentShare({ cpus: 8, memoryMb: 16_384 }, 0, 4, '') // 'cpus:2;mem:3840;ports:[31000-31249]'
 */
export function agentShare(machine: Machine, index: number, agents: number, given: string): string {
  const names = new Set(given.split(';').map((item) => item.split(/[:(]/)[0]?.trim()))
  const ports = Math.floor((lastPort - firstPort + 1) / agents)
  const begin = firstPort + index * ports
  const shares: ReadonlyArray<readonly [name: string, value: string]> = [
    ['cpus', String(Math.max(1, Math.floor(machine.cpus / agents)))],
    ['mem', String(Math.max(256, Math.floor((machine.memoryMb - keptMb) / agents)))],
    ['ports', `[${begin}-${begin + ports - 1}]`],
  ]
  const missing = shares.filter(([name]) => !names.has(name))
  return [
    ...(given === '' ? [] : [given]),
    ...missing.map(([name, value]) => `${name}:${value}`),
  ].join(';')
}

/**
 * Of `meseta up` alone: freed resources are offered again after this long, so that a queue of short
 * commands is not held up by the pace at which a large cluster is shared out.
 */
const allocationIntervalMs = 100

/** Names of the masters of `meseta up`. */
export function masterNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `master-${index + 1}`)
}

/** Flags of each master of `meseta up`. */
export function masterFlags(names: readonly string[]): ReadonlyArray<readonly [string, string]> {
  return [
    ['--allocation-interval-ms', String(allocationIntervalMs)],
    ['--replicas', names.join(',')],
  ]
}

/** Agents are on one machine here, and no crowd: they need not be polite for long. */
const registrationBackoffMs = 50

/** Flags of the agent with this index: they bear names of their own, and their tasks end with `up`. */
export function agentFlags(
  machine: Machine,
  index: number,
  agents: number,
  given: string,
): ReadonlyArray<readonly [string, string]> {
  return [
    ['--hostname', `agent-${index + 1}`],
    ['--resources', agentShare(machine, index, agents, given)],
    ['--kill-tasks-on-stop', 'true'],
    ['--registration-backoff-ms', String(registrationBackoffMs)],
  ]
}
