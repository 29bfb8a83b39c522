/** `meseta start`: a node in the foreground. */
import { Command } from 'commander'
import Type, { type Static, type TObject } from 'typebox'
import { isToken, type LogLevel, type NodeModule, type Transport } from '../../runtime/index.ts'
import { systemPorts } from '../../runtime/ports/index.ts'
import { pinoLog } from '../../runtime/ports/pino-log.ts'
import { addOptions, command, describe, flagsOf, type Invocation } from '../command.ts'
import { checkKeys } from '../config-file.ts'
import { checkCluster, connectCluster, transportOf } from '../connection.ts'
import { CommandError, codeOf, exitCodes, usage } from '../errors.ts'
import { boundHeap } from '../heap.ts'
import { childrenOf, defaultNodeName, hostModule, patientTransport } from '../host.ts'
import { loadModule } from '../modules.ts'
import { resolveSettings, section } from '../settings.ts'
import { connectionSettings, logSettings } from '../shared-settings.ts'

/** `connect` waits for the broker so long: for ever, as far as anybody will notice. */
const patienceMs = 2 ** 40

/** `meseta start MODULE [options of the module]` */
export const startCommand = command({
  name: 'start',
  operands: '<module> [options...]',
  passThrough: true,
  summary: 'Start a node with a module in the foreground: master, agent, or your own.',
  about:
    'Options of the node come before the module, options of the module after it:\n' +
    '"meseta start agent --help" lists those. SIGTERM and SIGINT stop it in order.',
  examples: [
    ['meseta start master', 'a master that looks for a broker on this machine'],
    [
      'meseta start --nats nats://broker:4222 agent --work-dir /srv/meseta',
      'an agent of a cluster',
    ],
    ['meseta start ./counter.js', 'a module of your own'],
    ['meseta start agent --help', 'the options of a module'],
  ],
  shared: { ...connectionSettings, ...logSettings },
  own: {
    name: Type.String({
      description: 'name of the node, unique in the cluster (default: module and host name)',
      default: '',
      placeholder: 'NAME',
    }),
  },
  async run(invocation) {
    const [moduleName, ...rest] = invocation.operands
    const module = await loadModule(moduleName!)
    const options = moduleOptions(module, moduleName!, rest, invocation)
    return options === undefined ? exitCodes.ok : serve(module, options, invocation.options)
  },
})

interface NodeSettings {
  readonly nats_url: string
  readonly nats_credentials: string
  readonly cluster: string
  readonly log_level: LogLevel
  readonly log_format: 'auto' | 'json' | 'pretty'
  readonly name: string
}

/** The module's options, or nothing if only its help was wanted. */
function moduleOptions(
  module: NodeModule,
  given: string,
  args: readonly string[],
  { sources, terminal }: Invocation<NodeSettings>,
): Static<TObject> | undefined {
  const own = section(module.name, module.options)
  let helped = false
  const parser = new Command(`meseta start ${given}`)
    .exitOverride((error) => {
      if (error.exitCode !== 0) throw error
      helped = true
    })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
    })
    .allowExcessArguments(false)
  describe(parser, { summary: module.summary, examples: [] })
  addOptions(parser, own.settings, 'Options of the module:')
  parser.parse([...args], { from: 'user' })
  if (helped) return undefined
  if (sources.file !== undefined) checkKeys(sources.file, [own])
  return resolveSettings(own, { ...sources, flags: flagsOf(parser) })
}

async function serve(
  module: NodeModule,
  options: Static<TObject>,
  settings: NodeSettings,
): Promise<number> {
  const { cluster, log_level: level, log_format: format } = settings
  const name = settings.name || defaultNodeName(module.name)
  boundHeap()
  if (!isToken(name))
    throw usage(`--name: must hold only letters, digits, "-" and "_", not ${name}`)
  checkCluster(cluster)
  // What the module starts (executors) finds the broker where this node does.
  process.env.MESETA_NATS_URL = settings.nats_url
  const log = pinoLog({ level, ...(format === 'auto' ? {} : { pretty: format === 'pretty' }) })
  const transport = patientTransport(transportOf(settings), transportOf(settings, patienceMs), log)
  const ending = endOfProcess()
  const ports = systemPorts({ transport, log })
  const hosting = { module, options, name, cluster, ports }
  const start = async () => {
    // First, so that a wrong option is told at once, even if there is no broker yet.
    const children = await childrenOf(hosting)
    await refuseDuplicate(transport, cluster, name)
    return hostModule(hosting, children)
  }
  const hosted = await Promise.race([start(), ending])
  if (typeof hosted === 'string') return exitCodes.ok
  log.write('info', `${name} is up`, { module: module.name, cluster, pid: process.pid })
  process.send?.({ type: 'ready' })
  const failure = await Promise.race([hosted.failed, ending.then(() => undefined)])
  if (failure === undefined) log.write('info', `${name} stops`, { why: await ending })
  await hosted.node.stop()
  ports.processes.close()
  if (failure !== undefined)
    throw new CommandError('NODE_FAILED', failure, 'The log above says why.')
  return exitCodes.ok
}

/**
 * Resolves with the reason to stop: a signal, or that whoever started this process over a channel (as `up`
 * does) is gone. A second signal ends the process at once.
 */
function endOfProcess(): Promise<string> {
  return new Promise((resolve) => {
    let asked = false
    const stop = (why: string) => {
      if (asked && why !== 'parent') process.exit(exitCodes.interrupted)
      asked = true
      resolve(why)
    }
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, stop)
    process.on('disconnect', () => stop('parent'))
  })
}

/** How long a node of the same name has to answer, in milliseconds. */
const duplicateTimeoutMs = 500

/** Two nodes of one name would take each other's messages. @throws CommandError DUPLICATE_NODE */
async function refuseDuplicate(transport: Transport, cluster: string, name: string): Promise<void> {
  const client = await connectCluster(
    { nats_url: '', nats_credentials: '', cluster, request_timeout_ms: duplicateTimeoutMs },
    transport,
  )
  try {
    await client.request(client.subjects.nodeActors(name), {})
  } catch (error) {
    // A node that is too busy to answer in time is there all the same.
    if (codeOf(error) === 'NO_RESPONDERS') return
  } finally {
    await client.close()
  }
  throw new CommandError(
    'DUPLICATE_NODE',
    `a node called ${name} runs in the cluster ${cluster} already`,
    'Give this one another name with --name, or stop the other.',
  )
}
