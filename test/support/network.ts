/**
 * A network of a test's own, with hosts that can be cut off: Linux network namespaces without names, joined
 * by a bridge. Nothing of it is seen outside, and nothing is left behind: a namespace lives as long as a
 * process in it, and all of these end with the test's process, however that ends.
 *
 *     hub (the test's own namespace, `hubAddress`) ── bridge ─┬─ host 1
 *                                                              └─ host 2 ...
 *
 * It needs `unshare`, `nsenter` and `ip`, and the right to make namespaces: root, or a system that gives
 * users namespaces of their own.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

/** Where the hub is reached from every host. */
export const hubAddress = '10.77.0.1'
const bridge = 'hub'

/** A host of the network: a namespace and its cable to the hub. */
export interface Host {
  /** Command that another command is given to, to run it on this host under the same process id. */
  readonly launcher: readonly string[]
  /** Takes the cable away: what is sent from or to it is lost without a word. */
  cut(): void
  heal(): void
}

/** Why this machine cannot have such a network; undefined if it can. */
export function networkProblem(): string | undefined {
  const trial =
    'ip link set lo up && ip link add hub type bridge && ip link add host1 type veth peer name host2'
  const [program = '', ...args] = inOwnNetwork(['sh', '-c', trial])
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status === 0) return undefined
  return error?.message ?? (stderr.trim() || `${program} ended with ${status}`)
}

/** The command that runs another one in a new namespace, which is to become a hub. */
export function inOwnNetwork(command: readonly string[]): string[] {
  // Who is not root becomes the root of a user namespace.
  const rights = process.getuid?.() === 0 ? [] : ['--map-root-user']
  return ['unshare', ...rights, '--net', ...command]
}

/** The network whose hub is the namespace of this process, which `inOwnNetwork` made. */
export class Network {
  readonly #holders: ChildProcess[] = []

  constructor() {
    ip('link', 'set', 'lo', 'up')
    ip('link', 'add', bridge, 'type', 'bridge')
    ip('address', 'add', `${hubAddress}/24`, 'dev', bridge)
    ip('link', 'set', bridge, 'up')
  }

  async addHost(): Promise<Host> {
    // It ends when its standard input does, and with it the namespace that nobody else is in. Not with a
    // terminal's Ctrl-C: until all others have ended in order their network is needed.
    const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    this.#holders.push(holder)
    await once(holder.stdout, 'data')
    const cable = `host${this.#holders.length}`
    const address = `10.77.0.${1 + this.#holders.length}/24`
    const launcher = ['nsenter', '--target', String(holder.pid), '--net', '--']
    const [program = '', ...into] = launcher
    ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(holder.pid))
    ip('link', 'set', cable, 'master', bridge, 'up')
    const set = `ip link set lo up && ip address add ${address} dev eth0 && ip link set eth0 up`
    run(program, [...into, 'sh', '-c', set])
    return {
      launcher,
      cut: () => ip('link', 'set', cable, 'down'),
      heal: () => ip('link', 'set', cable, 'up'),
    }
  }

  /** Resolves when all namespaces of hosts are gone, but for those that processes are still in. */
  async close(): Promise<void> {
    for (const holder of this.#holders.splice(0)) {
      if (holder.exitCode !== null || holder.signalCode !== null) continue
      holder.stdin?.end()
      await once(holder, 'exit')
    }
  }
}

function ip(...args: string[]): void {
  run('ip', args)
}

function run(program: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`)
}
