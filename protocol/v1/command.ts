/** Commands, checks and what an executor is. Spec: scheduler-api.md, Appendix A.2. */
import Type, { type Static } from 'typebox'
import { Bytes, named, Uint32 } from '../schema.ts'
import { ContainerInfo, DiscoveryInfo, NetworkProtocol } from './container.ts'
import { DurationInfo, ExecutorId, FrameworkId } from './ids.ts'
import { Labels, Resource, Secret } from './resources.ts'

const environmentVariable = Type.Object({
  name: Type.String(),
  type: Type.Optional(Type.Enum(['UNKNOWN', 'VALUE', 'SECRET'], { default: 'VALUE' })),
  value: Type.Optional(Type.String()),
  secret: Type.Optional(Secret),
})
export interface EnvironmentVariable extends Static<typeof environmentVariable> {}
export const EnvironmentVariable = named<EnvironmentVariable>(
  'Environment.Variable',
  environmentVariable,
)

const environment = Type.Object({ variables: Type.Optional(Type.Array(EnvironmentVariable)) })
export interface Environment extends Static<typeof environment> {}
export const Environment = named<Environment>('Environment', environment)

const commandUri = Type.Object({
  value: Type.String(),
  executable: Type.Optional(Type.Boolean()),
  extract: Type.Optional(Type.Boolean({ default: true })),
  cache: Type.Optional(Type.Boolean()),
  output_file: Type.Optional(Type.String()),
})
/** A file to fetch into the sandbox before the command starts. */
export interface CommandUri extends Static<typeof commandUri> {}
export const CommandUri = named<CommandUri>('CommandInfo.URI', commandUri)

const commandInfo = Type.Object({
  uris: Type.Optional(Type.Array(CommandUri)),
  environment: Type.Optional(Environment),
  /** True: `value` goes to `/bin/sh -c`. False: `value` is the program and `arguments` its argv. */
  shell: Type.Optional(Type.Boolean({ default: true })),
  value: Type.Optional(Type.String()),
  arguments: Type.Optional(Type.Array(Type.String())),
  user: Type.Optional(Type.String()),
})
export interface CommandInfo extends Static<typeof commandInfo> {}
export const CommandInfo = named<CommandInfo>('CommandInfo', commandInfo)

export const CheckType = Type.Enum(['UNKNOWN', 'COMMAND', 'HTTP', 'TCP'])
export type CheckType = Static<typeof CheckType>

const checkInfo = Type.Object({
  type: Type.Optional(CheckType),
  command: Type.Optional(Type.Object({ command: CommandInfo })),
  http: Type.Optional(Type.Object({ port: Uint32, path: Type.Optional(Type.String()) })),
  tcp: Type.Optional(Type.Object({ port: Uint32 })),
  delay_seconds: Type.Optional(Type.Number({ default: 15 })),
  interval_seconds: Type.Optional(Type.Number({ default: 10 })),
  timeout_seconds: Type.Optional(Type.Number({ default: 20 })),
})
export interface CheckInfo extends Static<typeof checkInfo> {}
export const CheckInfo = named<CheckInfo>('CheckInfo', checkInfo)

const healthCheck = Type.Object({
  delay_seconds: Type.Optional(Type.Number({ default: 15 })),
  interval_seconds: Type.Optional(Type.Number({ default: 10 })),
  timeout_seconds: Type.Optional(Type.Number({ default: 20 })),
  consecutive_failures: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1, default: 3 }),
  ),
  grace_period_seconds: Type.Optional(Type.Number({ default: 10 })),
  type: Type.Optional(CheckType),
  command: Type.Optional(CommandInfo),
  http: Type.Optional(
    Type.Object({
      protocol: Type.Optional(NetworkProtocol),
      scheme: Type.Optional(Type.String()),
      port: Uint32,
      path: Type.Optional(Type.String()),
      statuses: Type.Optional(Type.Array(Uint32)),
    }),
  ),
  tcp: Type.Optional(Type.Object({ protocol: Type.Optional(NetworkProtocol), port: Uint32 })),
})
export interface HealthCheck extends Static<typeof healthCheck> {}
export const HealthCheck = named<HealthCheck>('HealthCheck', healthCheck)

const killPolicy = Type.Object({ grace_period: Type.Optional(DurationInfo) })
/** How a task is killed: SIGTERM, then SIGKILL after the grace period. */
export interface KillPolicy extends Static<typeof killPolicy> {}
export const KillPolicy = named<KillPolicy>('KillPolicy', killPolicy)

const executorInfo = Type.Object({
  type: Type.Optional(Type.Enum(['UNKNOWN', 'DEFAULT', 'CUSTOM'])),
  executor_id: ExecutorId,
  framework_id: Type.Optional(FrameworkId),
  command: Type.Optional(CommandInfo),
  container: Type.Optional(ContainerInfo),
  resources: Type.Optional(Type.Array(Resource)),
  name: Type.Optional(Type.String()),
  /** Deprecated. */
  source: Type.Optional(Type.String()),
  data: Type.Optional(Bytes),
  discovery: Type.Optional(DiscoveryInfo),
  shutdown_grace_period: Type.Optional(DurationInfo),
  labels: Type.Optional(Labels),
})
export interface ExecutorInfo extends Static<typeof executorInfo> {}
export const ExecutorInfo = named<ExecutorInfo>('ExecutorInfo', executorInfo)
