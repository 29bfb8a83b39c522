/** `meseta up`: a whole cluster on this machine, from one command to Ctrl-C. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import Type, { type Static } from 'typebox'
import { defaultCluster } from '../../../protocol/subjects.ts'
import { systemPorts } from '../../runtime/ports/index.ts'
import { pinoLog } from '../../runtime/ports/pino-log.ts'
import { findNatsServer } from '../../transport/nats-server.ts'
import { command } from '../command.ts'
import { checkCluster, transportOf } from '../connection.ts'
import { exitCodes, usage } from '../errors.ts'
import { connectionSettings, defaultNatsUrl, logSettings } from '../shared-settings.ts'
import type { Terminal } from '../terminal.ts'
import { type ClusterOptions, LocalCluster } from '../up/cluster.ts'
import { runDemo } from '../up/demo.ts'
import { InProcessCluster } from '../up/in-process.ts'

const own = {
  nats_url: Type.String({
    description: 'use this broker instead of starting one',
    default: '',
    flag: 'nats',
    placeholder: 'URL',
  }),
  brokers: Type.Integer({
    description: 'number of brokers; of three one may be lost without a pause',
    default: 1,
    minimum: 1,
    maximum: 7,
  }),
  port: Type.Integer({
    description: 'port for the first broker; another if it is taken, any if 0',
    default: 4222,
    minimum: 0,
    maximum: 65_535,
    placeholder: 'PORT',
  }),
  masters: Type.Integer({
    description: 'number of masters, each with a replica of the registry; odd numbers are of use',
    default: 1,
    minimum: 1,
    maximum: 7,
  }),
  agents: Type.Integer({ description: 'number of agents', default: 3, minimum: 1, maximum: 100 }),
  resources: Type.String({
    description: 'what each agent offers, as in cpus:2;mem:1024 (default: a share of the machine)',
    default: '',
    placeholder: 'TEXT',
  }),
  work_dir: Type.String({
    description: 'where everything is kept (default: a temporary directory, removed at the end)',
    default: '',
    placeholder: 'DIR',
  }),
  demo: Type.Boolean({
    description: 'run a dozen commands as tasks and show them',
    default: false,
  }),
  once: Type.Boolean({
    description: 'stop when the cluster is up, or the demo is over',
    default: false,
  }),
  verbose: Type.Boolean({ description: 'show the logs of all nodes', default: false }),
}
const shared = {
  nats_credentials: connectionSettings.nats_credentials,
  cluster: connectionSettings.cluster,
  log_level: logSettings.log_level,
}
const schema = Type.Object({ ...own, ...shared })
type UpOptions = Static<typeof schema>
type Cluster = LocalCluster | InProcessCluster

export const upCommand = command({
  name: 'up',
  summary: 'Start a whole cluster on this machine, until Ctrl-C.',
  about:
    'Starts nats-server on loopback (unless --nats names a broker), masters and agents, each a process\n' +
    'of its own that is started again if it dies. Ctrl-C stops all of it, tasks included. DIR/up.json\n' +
    'tells the process ids, DIR/logs/ holds the logs. Without nats-server all nodes run in one process.',
  examples: [
    ['meseta up', 'a broker, a master and three agents'],
    ['meseta up --demo', 'the same, with tasks to look at'],
    ['meseta up --demo --once', 'run the demo, print what became of it, stop; 0 if all went well'],
    ['meseta up --masters 3 --brokers 3', 'as on hosts: one master and one broker may be killed'],
    ['meseta up --agents 1 --resources "cpus:2;mem:1024"', 'one agent that offers just this'],
  ],
  shared,
  own,
  run: ({ options, terminal }) => up(options, terminal),
})

async function up(options: UpOptions, terminal: Terminal): Promise<number> {
  checkCluster(options.cluster)
  const directory = workDirectory(options.work_dir)
  const cluster = makeCluster(options, directory.path, terminal)
  const stopSignal = interruption(() => cluster.kill())
  try {
    const started = cluster.start()
    // Its failure matters only while it is waited for.
    started.catch(() => undefined)
    const agents = await Promise.race([started, stopSignal])
    if (typeof agents === 'string') return exitCodes.ok
    announce(cluster, options, directory, terminal)
    let code: number = exitCodes.ok
    if (options.demo) {
      const demo = runDemo({
        ports: portsFor(cluster, options),
        cluster: options.cluster,
        agents,
        terminal,
      })
      demo.catch(() => undefined)
      const outcome = await Promise.race([demo, stopSignal])
      if (typeof outcome === 'string') return exitCodes.ok
      code = outcome
    }
    if (options.once) return code
    terminal.out('The cluster stays up until Ctrl-C.\n')
    await stopSignal
    return exitCodes.ok
  } finally {
    terminal.out('stopping ...\n')
    await cluster.stop()
    if (directory.temporary) rmSync(directory.path, { recursive: true, force: true, maxRetries: 5 })
    terminal.out('stopped\n')
  }
}

function makeCluster(options: UpOptions, path: string, terminal: Terminal): Cluster {
  const { color } = terminal
  const settings: ClusterOptions = {
    cluster: options.cluster,
    natsUrl: options.nats_url,
    natsCredentials: options.nats_credentials,
    brokers: options.brokers,
    port: options.port,
    masters: options.masters,
    agents: options.agents,
    resources: options.resources,
    workDirectory: path,
    logLevel: options.log_level,
    onChange: (line) => terminal.out(`${line}\n`),
    ...(options.verbose && {
      onOutput: (node: string, text: string) =>
        terminal.err(text.replaceAll(/^(?=.)/gm, `${color.dim(node)} `)),
    }),
  }
  if (options.nats_url !== '' || findNatsServer() !== undefined) return new LocalCluster(settings)
  terminal.note(
    'There is no nats-server on this machine, so all nodes run in this one process on an in-memory\n' +
      'network: other commands and frameworks cannot reach them. For a real cluster install nats-server\n' +
      '(Debian: apt-get install nats-server), set NATS_SERVER_BIN, or name a broker with --nats.',
  )
  return new InProcessCluster(settings)
}

interface WorkDirectory {
  readonly path: string
  readonly temporary: boolean
}

/** Without symbolic links: tasks are recognised by it. */
function workDirectory(given: string): WorkDirectory {
  if (given === '') {
    return { path: realpathSync(mkdtempSync(join(tmpdir(), 'meseta-up-'))), temporary: true }
  }
  try {
    const path = resolve(given)
    mkdirSync(path, { recursive: true })
    return { path: realpathSync(path), temporary: false }
  } catch (error) {
    throw usage(`--work-dir: ${(error as Error).message}`, 'Name a directory that can be written.')
  }
}

function portsFor(cluster: Cluster, options: UpOptions): ReturnType<typeof systemPorts> {
  if (cluster instanceof InProcessCluster) return cluster.ports('demo')
  const transport = transportOf({
    nats_url: cluster.natsUrl,
    nats_credentials: options.nats_credentials,
  })
  return systemPorts({ transport, log: pinoLog({ level: 'error' }) })
}

function announce(
  cluster: Cluster,
  { cluster: name }: UpOptions,
  { path, temporary }: WorkDirectory,
  { out, color }: Terminal,
): void {
  const lines = ['', color.bold(`The cluster ${name} is up.`)]
  if (cluster instanceof LocalCluster)
    lines.push(`  NATS       ${cluster.natsUrl.replaceAll(',', ', ')}`)
  lines.push(`  work dir   ${path}${temporary ? ' (removed at the end)' : ''}`)
  lines.push(`  logs       ${join(path, 'logs')}`, '')
  if (cluster instanceof LocalCluster) {
    const nats = cluster.natsUrl === defaultNatsUrl ? '' : ` --nats ${cluster.natsUrl}`
    const flags = `${nats}${name === defaultCluster ? '' : ` --cluster ${name}`}`
    lines.push(
      'Try, in another terminal:',
      `  meseta status${flags}`,
      `  meseta run${flags} -- sh -c 'echo hello from $MESOS_TASK_ID'`,
      `  meseta run${flags} --instances 20 -- sleep 1`,
      '',
    )
  }
  out(`${lines.join('\n')}\n`)
}

/** Resolves with the first signal to stop; a second one ends everything at once. */
function interruption(endNow: () => void): Promise<string> {
  return new Promise((resolvePromise) => {
    let asked = false
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (asked) {
          endNow()
          process.exit(exitCodes.interrupted)
        }
        asked = true
        resolvePromise(signal)
      })
    }
  })
}
