/**
 * A real etcd of three processes on this machine, as a peer to be measured beside: the same disk, the same
 * loopback, each member with an fsync of its own. It is used if `etcd` is installed (Debian: etcd-server).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Etcd3 } from 'etcd3'

export interface EtcdCluster {
  readonly version: string
  /** Resolves when the value is committed. */
  put(value: Buffer): Promise<void>
  stop(): Promise<void>
}

const startTimeoutMs = 20_000

/** Undefined if etcd is not installed. */
export function etcdVersion(): string | undefined {
  const { stdout, status } = spawnSync('etcd', ['--version'], { encoding: 'utf8' })
  return status === 0 ? /Version: (\S+)/.exec(stdout)?.[1] : undefined
}

/** Starts the members below a directory, and a client that is connected to their leader. */
export async function startEtcd(directory: string): Promise<EtcdCluster> {
  const names = ['etcd-0', 'etcd-1', 'etcd-2']
  const ports = await freePorts(2 * names.length)
  const url = (index: number) => `http://127.0.0.1:${ports[index]}`
  const peers = names.map((name, index) => `${name}=${url(names.length + index)}`).join(',')
  const members = names.map((name, index) => {
    const [client, peer] = [url(index), url(names.length + index)]
    return spawn(
      'etcd',
      [
        ...['--name', name, '--data-dir', join(directory, name)],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', peers, '--initial-cluster-state', 'new'],
        ...['--logger', 'zap', '--log-level', 'error'],
        // Nothing but puts is measured, and there may be very many.
        ...['--quota-backend-bytes', String(8 * 2 ** 30)],
      ],
      { stdio: 'ignore' },
    )
  })
  try {
    const client = new Etcd3({ hosts: await leaderOf(names.map((_, index) => url(index))) })
    const key = Buffer.from('benchmark')
    return {
      version: etcdVersion() ?? '',
      put: async (value) => void (await client.put(key).value(value)),
      async stop() {
        client.close()
        await stopAll(members)
      },
    }
  } catch (error) {
    await stopAll(members)
    throw error
  }
}

/** Followers hand what they get over to the leader: asked at once, it answers sooner. */
async function leaderOf(urls: readonly string[]): Promise<string> {
  const deadline = performance.now() + startTimeoutMs
  for (;;) {
    for (const url of urls) {
      const client = new Etcd3({ hosts: url })
      try {
        const { leader, header } = await client.maintenance.status()
        if (leader !== '0' && leader === header.member_id) return url
      } catch {
        // Not up yet.
      } finally {
        client.close()
      }
    }
    if (performance.now() > deadline) throw new Error('etcd has no leader')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function stopAll(members: readonly ChildProcess[]): Promise<void> {
  for (const member of members) {
    if (member.exitCode !== null || member.signalCode !== null) continue
    const ended = new Promise((resolve) => member.once('exit', resolve))
    member.kill('SIGKILL')
    await ended
  }
}

/** Free at this moment. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address !== null ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
