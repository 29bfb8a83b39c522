/** What the actor of a custom executor knows. */

import type { Format } from '../../protocol/codec.ts'
import type { ExecutorEnded } from '../../protocol/container.ts'
import type { Payload } from '../../protocol/message.ts'
import type { AgentInfo } from '../../protocol/v1/agent.ts'
import type { ExecutorInfo } from '../../protocol/v1/command.ts'
import type { Pid } from '../../src/runtime/index.ts'
import { type Container, type ExitStatus, newContainer } from './container.ts'
import type { Place } from './environment.ts'
import type { Run } from './run.ts'

export interface CustomArgs {
  /** The agent. */
  readonly owner: Pid
  readonly executor: ExecutorInfo
  readonly place: Place
  readonly agent: AgentInfo
  readonly container_id: string
  readonly run: Run
  /** Where programs reach the broker, told them as MESETA_NATS_URL. */
  readonly natsUrl: string
  readonly registrationTimeoutMs: number
  /** For one that outlived a former life of the agent. */
  readonly reregistrationTimeoutMs: number
  readonly heartbeatMs: number
  readonly recovered: boolean
}

export type Cause = NonNullable<Payload<typeof ExecutorEnded>['cause']>

export interface CustomState {
  readonly args: CustomArgs
  readonly container: Container
  /** That of its last call: it is answered in kind. */
  format: Format
  /** LAUNCH and LAUNCH_GROUP events that this life has published. */
  launches: number
  subscribed: boolean
  /** False once the broker said that nobody listens to its events. */
  listening: boolean
  /** Monotonic time of its end by force; infinite until it is told to shut down. */
  forceMs: number
  /** Why the agent destroys it, if it does. */
  cause: Cause | undefined
  exit: { readonly status: ExitStatus; readonly failure: string | undefined } | undefined
}

export function newCustomState(args: CustomArgs): CustomState {
  return {
    args,
    container: newContainer(args.run),
    format: 'msgpack',
    launches: 0,
    subscribed: false,
    listening: false,
    forceMs: Number.POSITIVE_INFINITY,
    cause: undefined,
    exit: undefined,
  }
}
