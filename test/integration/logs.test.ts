/** `meseta log` and `meseta store` on real processes: three masters, and a state of three nodes. */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { clusterFor } from '../support/cluster.ts'
import { type Ended, meseta, Running } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'
import { until } from '../support/wait.ts'

const test = suite('logs')
const slow = { timeoutMs: 180_000 }
const cluster = clusterFor(test, { masters: 3 })

function run(...args: string[]): Promise<Ended> {
  return meseta(args, { MESETA_NATS_URL: cluster().natsUrl })
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args)
  assert.is(code, 0, `meseta ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

interface Replica {
  readonly node: string
  readonly status: string
  readonly end: number
  readonly learned: number
  readonly holder?: string
}

async function replicas(...args: string[]): Promise<Replica[]> {
  return JSON.parse(await done('log', 'status', '-o', 'json', ...args))
}

/** The node of the leading master; undefined while there is none. */
async function leader(): Promise<string | undefined> {
  const { code, stdout } = await run('leader', '-o', 'json')
  return code === 0 ? /@([\w-]+)~/.exec(JSON.parse(stdout).master_info.pid)?.[1] : undefined
}

test('the log of the masters is shown, and leased to the one that leads', slow, async () => {
  await cluster().replicasVoting()
  // A quorum has granted the lease; the others do so with its next renewals.
  await until(
    async () => {
      const holder = await leader()
      assert.ok(holder, 'there is a leader')
      assert.equal(
        (await replicas()).map(({ node, status, holder }) => [node, status, holder]),
        cluster().masters.map((name) => [name, 'VOTING', holder]),
      )
      return true
    },
    { what: 'all replicas to have granted the lease to the leader', timeoutMs: 60_000 },
  )
  const entries = JSON.parse(await done('log', 'read', '--from', '0', '-o', 'json'))
  const admitted = entries.flatMap(({ value }: { value: { changes: string[][] } }) => value.changes)
  assert.ok(
    admitted.some(([kind]: string[]) => kind === 'admitted'),
    'an agent was admitted',
  )
})

test('nobody else writes there', slow, async () => {
  const { code, stderr } = await run('log', 'append', 'x')
  assert.is(code, 1)
  assert.match(stderr, /LOG_LEASED: .* is leased to master-/, stderr)
})

test('a master whose disk is lost is replaced under its name, and votes again', slow, async () => {
  const [first = ''] = cluster().masters
  await cluster().kill(first)
  rmSync(join(cluster().directory, first, 'log'), { recursive: true })
  await cluster().start(first)
  await cluster().replicasVoting()
  await until(
    async () => {
      const all = await replicas()
      const same = all.every(({ learned }) => learned === all[0]?.learned)
      return all.length === 3 && same && all.every(({ status }) => status === 'VOTING')
    },
    { what: 'all replicas to vote, and to have learned the same', timeoutMs: 30_000 },
  )
})

/** How old the registry knows the disk of the agent on a node to be. */
async function diskAge(node: string): Promise<number> {
  const agents = JSON.parse(await done('agent', 'ls', '-o', 'json'))
  const agent = agents.find(({ pid }: { pid: string }) => pid.includes(node))
  const entries = JSON.parse(
    await done('log', 'read', '--from', '0', '--limit', '1000', '-o', 'json'),
  )
  const ages = entries
    .flatMap(({ value }: { value: { changes: unknown[][] } }) => value.changes)
    .filter(([kind, id]: unknown[]) => kind === 'disks' && id === agent?.agent_info.id.value)
  return ages.at(-1)?.[2].disk_age ?? 0
}

test('an agent on an older copy of its work directory ends, and says so', slow, async () => {
  const directory = temporaryDirectory('copied')
  const [workDir, copy] = [join(directory, 'agent'), join(directory, 'copy')]
  const start = () =>
    new Running(['start', '--name', 'copied', 'agent', '--work-dir', workDir], {
      MESETA_NATS_URL: cluster().natsUrl,
    })
  for (const age of [1, 2]) {
    const agent = start()
    await until(async () => (await diskAge('copied')) >= age, {
      what: `the registry to know that the disk is ${age}`,
      timeoutMs: 60_000,
    })
    agent.child.kill('SIGTERM')
    await agent.ended
    if (age === 1) cpSync(workDir, copy, { recursive: true })
  }
  rmSync(workDir, { recursive: true })
  cpSync(copy, workDir, { recursive: true })
  const { code, stdout, stderr } = await start().ended
  assert.is(code, 1)
  assert.match(stdout + stderr, /the work directory is an older copy; use an empty one/)
})

test('a state of three nodes keeps what was stored when one is lost', slow, async () => {
  const names = ['s1', 's2', 's3']
  const nodes = new Map<string, Running>()
  for (const name of names) {
    const own = ['--replicas', names.join(','), '--work-dir', temporaryDirectory('state')]
    const args = ['start', '--name', name, 'state', ...own]
    nodes.set(name, new Running(args, { MESETA_NATS_URL: cluster().natsUrl }))
  }
  try {
    for (const node of nodes.values()) await node.says(/replica is VOTING/)
    const version = (await done('store', 'set', 'greeting', 'hello')).trim()
    assert.is(await done('store', 'get', 'greeting', '--node', 's2'), 'hello')
    const stale = await run('store', 'set', 'greeting', 'hi', '--if-version', 'another')
    assert.is(stale.code, 1)
    assert.match(
      stale.stderr,
      new RegExp(`CONFLICT: greeting has the version ${version}`),
      stale.stderr,
    )
    nodes.get('s1')?.child.kill('SIGKILL')
    await nodes.get('s1')?.ended
    assert.is(await done('store', 'get', 'greeting', '--node', 's3'), 'hello')
    await done('store', 'set', 'greeting', 'hi', '--if-version', version, '--node', 's3')
    assert.is(await done('store', 'ls', 'gr', '-o', 'name', '--node', 's3'), 'greeting\n')
    await done('store', 'rm', 'greeting', '--node', 's3')
    assert.is((await run('store', 'get', 'greeting', '--node', 's3')).code, 3)
    await until(async () => (await replicas('--log', 'state-log')).length === 2, {
      what: 'the two replicas that are left to answer',
    })
  } finally {
    for (const node of nodes.values()) node.child.kill('SIGTERM')
    for (const node of nodes.values()) await node.ended
  }
})

test('what there is not is said', slow, async () => {
  const missing = await run('log', 'status', '--log', 'none')
  assert.is(missing.code, 3)
  assert.match(missing.stderr, /no node of the cluster .* has an actor called none/)
  assert.is((await run('log', 'init')).code, 1, 'that log is in use')
})

test.run()
