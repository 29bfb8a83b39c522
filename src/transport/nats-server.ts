/**
 * A nats-server of one's own, on loopback: for `meseta up`, where nobody has given a broker, and for
 * tests. Several that are joined are in nats-cluster.ts. It ends with this process: the kernel kills it where `setpriv` knows how to ask for that
 * (Linux), and it is killed at this process's exit everywhere.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

export interface NatsServerOptions {
  /** Address to listen on. Default: 127.0.0.1. */
  readonly host?: string
  /** Port to listen on. Default: one that is free. */
  readonly port?: number
  /** Largest payload in bytes. Default: the server's own, 1 MiB. */
  readonly maxPayload?: number
  /** Makes it one of a cluster, joined with those that listen for routes at the addresses in `to`. */
  readonly routes?: { readonly port?: number; readonly to: readonly string[] }
  /** Further lines of the server's configuration file, for example permissions. */
  readonly config?: string
  /** Path of the program. Default: see `findNatsServer`. */
  readonly binary?: string
}

/** A server that was ready when one got this. */
export interface NatsServer {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string
  readonly port: number
  /** Where it listens for the other servers of its cluster, if it is one of a cluster. */
  readonly routePort: number | undefined
  readonly pid: number
  /** Asks it to end, kills it after 5 s, resolves when it is gone. Idempotent, also after `kill`. */
  stop(): Promise<void>
  /** Kills it and resolves when it is gone, as a crash of the broker would. */
  kill(): Promise<void>
  /** Resolves when it has ended, for whatever reason, with the end of its log. */
  readonly exited: Promise<string>
}

export class NatsServerError extends Error {
  readonly code: 'NOT_FOUND' | 'START_FAILED'
  constructor(code: 'NOT_FOUND' | 'START_FAILED', message: string) {
    super(message)
    this.name = 'NatsServerError'
    this.code = code
  }
}

const startTimeoutMs = 10_000
const stopTimeoutMs = 5_000
const loopback = '127.0.0.1'
/** For the server: one that is free. */
const anyPort = -1
/** Of the servers' cluster: all who are to join must give the same. */
const clusterName = 'meseta'
/** The end of the server's log that is kept for messages, in characters. */
const logKept = 16_384

/**
 * Path of the nats-server program: `NATS_SERVER_BIN`, else on `PATH`, else `/usr/sbin/nats-server`.
 * Undefined if there is none.
 */
export function findNatsServer(): string | undefined {
  const { NATS_SERVER_BIN, PATH = '' } = process.env
  if (NATS_SERVER_BIN) return isExecutable(NATS_SERVER_BIN) ? NATS_SERVER_BIN : undefined
  const directories = [...PATH.split(delimiter), '/usr/sbin'].filter(Boolean)
  return directories.map((directory) => join(directory, 'nats-server')).find(isExecutable)
}

/**
 * Starts a server and resolves when it takes connections (some 20 ms).
 * To restart one on its port: `startNatsServer({ port: server.port })` after `stop` or `kill`.
 * @throws NatsServerError `NOT_FOUND` without a program, `START_FAILED` with the end of its log
 */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const binary = options.binary ?? findNatsServer()
  if (!binary) {
    throw new NatsServerError(
      'NOT_FOUND',
      'there is no nats-server: install it (Debian: apt-get install nats-server), or set NATS_SERVER_BIN to its path',
    )
  }
  const directory = mkdtempSync(join(tmpdir(), 'meseta-nats-'))
  const config = join(directory, 'nats-server.conf')
  writeFileSync(config, configuration(options))
  const child = spawnBound(binary, ['-c', config])
  const log = new Log(child)
  const endWithUs = () => child.kill('SIGKILL')
  process.on('exit', endWithUs)

  let problem: string | undefined
  const exited = new Promise<string>((resolve) => {
    const end = () => {
      process.off('exit', endWithUs)
      rmSync(directory, { recursive: true, force: true })
      resolve(log.text)
    }
    child.once('close', end)
    child.once('error', (error) => {
      problem = error.message
      end()
    })
  })

  const ports = await log.listening(options.routes !== undefined, exited, startTimeoutMs)
  if (ports === undefined || child.pid === undefined) {
    child.kill('SIGKILL')
    const reason = problem ?? (await exited).trim()
    throw new NatsServerError('START_FAILED', `${binary} did not start: ${reason}`)
  }
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
    await exited
    clearTimeout(timer)
  }
  return {
    url: `nats://${options.host ?? loopback}:${ports.client}`,
    port: ports.client,
    routePort: ports.route,
    pid: child.pid,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    exited,
  }
}

function configuration(options: NatsServerOptions): string {
  const { host = loopback, port = anyPort, maxPayload, routes, config } = options
  const lines = [`listen: "${host}:${port}"`]
  if (maxPayload !== undefined) lines.push(`max_payload: ${maxPayload}`)
  if (routes !== undefined) {
    const listen = `${host}:${routes.port ?? anyPort}`
    const to = JSON.stringify(routes.to)
    lines.push(`cluster { name: ${clusterName}, listen: "${listen}", routes: ${to} }`)
  }
  if (config !== undefined) lines.push(config)
  return `${lines.join('\n')}\n`
}

/** Spawns a program that the kernel kills should this process die without a chance to do it. */
function spawnBound(binary: string, args: readonly string[]): ChildProcess {
  const binding = ['--pdeathsig', 'KILL']
  const bindable = spawnSync('setpriv', [...binding, 'true'], { stdio: 'ignore' }).status === 0
  const [command, all] = bindable ? ['setpriv', [...binding, binary, ...args]] : [binary, [...args]]
  // A session of its own: Ctrl-C at the terminal must not end it before those who still need it.
  return spawn(command, all, { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
}

interface Ports {
  readonly client: number
  readonly route: number | undefined
}

/** The server's log, which tells the ports that it chose. */
class Log {
  text = ''
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.text = (this.text + chunk).slice(-logKept)
    })
  }

  /** Resolves once clients (and routes) may connect; undefined if the server ended or took too long. */
  listening(
    withRoutes: boolean,
    exited: Promise<unknown>,
    timeoutMs: number,
  ): Promise<Ports | undefined> {
    return new Promise((resolve) => {
      const settle = (ports: Ports | undefined) => {
        clearTimeout(timer)
        this.#child.stderr?.off('data', look)
        resolve(ports)
      }
      const look = () => {
        if (!this.text.includes('Server is ready')) return
        const [client, route] = [this.#port('client'), this.#port('route')]
        if (client === undefined) settle(undefined)
        else if (!withRoutes || route !== undefined) settle({ client, route })
      }
      const timer = setTimeout(() => settle(undefined), timeoutMs)
      this.#child.stderr?.on('data', look)
      void exited.then(() => settle(undefined))
    })
  }

  #port(kind: 'client' | 'route'): number | undefined {
    const found = new RegExp(`Listening for ${kind} connections on \\S+:(\\d+)\\n`).exec(this.text)
    return found ? Number(found[1]) : undefined
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
