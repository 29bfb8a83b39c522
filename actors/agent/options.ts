/** What an operator can set on an agent. Defaults are those of agent.md §14. */
import Type, { type Static } from 'typebox'

const ms = (defaultMs: number, description: string) =>
  Type.Integer({ minimum: 0, default: defaultMs, description: `${description}, ms` })

export const AgentOptions = Type.Object({
  work_dir: Type.String({
    default: '/var/lib/meseta/agent',
    description: 'directory of sandboxes and checkpoints; one agent at a time may use it',
  }),
  resources: Type.String({
    default: '',
    description: 'as in cpus:4;mem:8192;ports:[31000-32000]; what is left out is detected',
  }),
  attributes: Type.String({ default: '', description: 'as in rack:r7;zone:b' }),
  fault_domain: Type.String({
    default: '',
    description: 'REGION/ZONE that the agent is in',
    placeholder: 'REGION/ZONE',
  }),
  hostname: Type.String({ default: '', description: "name in offers; default is the host's" }),
  ip: Type.String({
    default: '',
    description:
      "address that statuses of tasks tell, where they tell no other; default is the host's",
    placeholder: 'ADDRESS',
  }),
  switch_user: Type.Boolean({
    default: false,
    description: 'run tasks as the user of their command or framework; needs root and setpriv',
  }),
  kill_tasks_on_stop: Type.Boolean({
    default: false,
    description:
      'when the agent is stopped in order, end all tasks first and tell how; without it they run on',
  }),
  nats_url: Type.String({
    default: '',
    description: 'where executors reach the broker; default is MESETA_NATS_URL or loopback',
  }),
  registration_backoff_ms: ms(1000, 'longest wait before the first registration attempt'),
  executor_registration_timeout_ms: ms(60_000, 'how long a started executor may take to subscribe'),
  executor_reregistration_timeout_ms: ms(
    2000,
    'how long executors may take to subscribe again after a restart of the agent',
  ),
  executor_shutdown_grace_ms: ms(5000, 'time between SHUTDOWN and the end by force'),
  executor_heartbeat_ms: ms(15_000, 'interval of heartbeats to executors'),
  recovery_timeout_ms: ms(900_000, 'how long executors wait for a lost agent'),
  update_retry_min_ms: ms(10_000, 'first wait before an unacknowledged status is sent again'),
  update_retry_max_ms: ms(600_000, 'longest such wait'),
  gc_delay_ms: ms(604_800_000, 'how long sandboxes of ended executors are kept'),
  gc_disk_headroom: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.1,
    description: 'share of the disk to keep free by removing sandboxes earlier',
  }),
  resource_estimator: Type.String({
    default: 'noop',
    description:
      'who says what is lent to revocable tasks: noop, fixed, usage, or a module of your own',
  }),
  oversubscribed_resources: Type.String({
    default: '',
    description: 'what the estimator fixed lends, as in cpus:2;mem:1024',
  }),
  oversubscription_headroom: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.1,
    description: 'share of the cpus and the memory that the estimator usage leaves alone',
  }),
  qos_controller: Type.String({
    default: 'noop',
    description:
      'who says which executors on revocable resources must go: noop, usage, or a module of your own',
  }),
  qos_threshold: Type.Number({
    minimum: 0,
    maximum: 1,
    default: 0.9,
    description: 'share of the cpus or the memory in use at which the controller usage acts',
  }),
  oversubscribed_resources_interval_ms: ms(
    15_000,
    'how often the estimator and the controller look',
  ),
  disk_watch_interval_ms: ms(60_000, 'how often the disk is looked at'),
})
export type AgentOptions = Static<typeof AgentOptions>
