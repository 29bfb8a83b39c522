/** Hosting a module on a node of this process: what `start` does, and `up` without a broker. */
import { hostname } from 'node:os'
import type { Static, TObject } from 'typebox'
import {
  type ChildSpec,
  describe,
  type Node,
  type NodeModule,
  type Ports,
  startNode,
} from '../runtime/index.ts'
import { type Log, type Transport, TransportError } from '../runtime/ports.ts'
import { CommandError, codeOf, usage } from './errors.ts'

export interface HostOptions {
  readonly module: NodeModule
  readonly options: Static<TObject>
  readonly name: string
  readonly cluster: string
  readonly ports: Ports
}

/** A node that runs. */
export interface HostedNode {
  readonly node: Node
  /** Resolves with a sentence if the node fails for good; its process should end. */
  readonly failed: Promise<string>
}

/**
 * What the module has a node start. Most of what can be wrong with options shows here, without a broker.
 * @throws CommandError with the module's sentence: USAGE if the options are wrong, else START_FAILED
 */
export async function childrenOf({
  module,
  options,
  name,
  cluster,
  ports,
}: HostOptions): Promise<readonly ChildSpec[]> {
  try {
    return await module.children(options, { ports, cluster, node: name })
  } catch (error) {
    if (error instanceof Error && codeOf(error) === 'USAGE') throw usage(error.message)
    throw startFailed(name, error)
  }
}

/** Starts the children of a module on a node. @throws CommandError CONNECTION_FAILED, START_FAILED */
export async function hostModule(
  { module, options, name, cluster, ports }: HostOptions,
  children: readonly ChildSpec[],
): Promise<HostedNode> {
  let fail: (sentence: string) => void = () => {}
  const failed = new Promise<string>((resolve) => {
    fail = resolve
  })
  try {
    const node = await startNode({
      name,
      cluster,
      ports,
      children,
      ...(module.supervision && { supervision: module.supervision }),
      lanes: module.lanes ?? [],
      ...(module.near && { near: module.near(options, name) }),
      onFailure: (reason) => fail(`the node ${name} gave up: ${describe(reason)}`),
      onEnd: (reason) => fail(`the node ${name} has nothing left to do: ${describe(reason)}`),
    })
    return { node, failed }
  } catch (error) {
    throw startFailed(name, error)
  }
}

function startFailed(name: string, error: unknown): CommandError {
  if (error instanceof TransportError) return new CommandError('CONNECTION_FAILED', error.message)
  const reason = error instanceof Error ? error.message : String(error)
  return new CommandError(
    'START_FAILED',
    `${name} could not start: ${reason}`,
    'The log above says more; correct the setting or the module that it names.',
    { cause: error },
  )
}

/** A transport that says once that it waits, and then waits for the broker as long as it takes. */
export function patientTransport(once: Transport, forEver: Transport, log: Log): Transport {
  return {
    async connect(options) {
      try {
        return await once.connect(options)
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        log.write('warn', `waiting for the broker: ${error.message}`)
        return forEver.connect(options)
      }
    },
  }
}

/** `agent-host7`: the name of a node that was not given one. Only letters, digits, `-` and `_`. */
export function defaultNodeName(module: string, host = hostname()): string {
  return `${module}-${host}`.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 64)
}
