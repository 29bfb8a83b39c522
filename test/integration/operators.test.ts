/** Offers, roles and long lists through the command, on real processes. */
import type { Reply } from '../../protocol/message.ts'
import { GetTasks, ListFiles } from '../../protocol/operator.ts'
import type { Task } from '../../protocol/v1/task.ts'
import { connectOperator, connectScheduler, Room } from '../../src/framework/index.ts'
import { clusterFor } from '../support/cluster.ts'
import { type Ended, meseta, Running } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { until } from '../support/wait.ts'

const test = suite('operators')
const slow = { timeoutMs: 180_000 }
const cluster = clusterFor(test, { agents: 2, resources: 'cpus:4;mem:1024;disk:1000' })

const environment = () => ({ MESETA_NATS_URL: cluster().natsUrl })

function run(...args: string[]): Promise<Ended> {
  return meseta(args, environment())
}

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args)
  assert.is(code, 0, `meseta ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** A framework that keeps every offer that it gets. */
async function keeper(name: string, role: string) {
  const rescinded: string[] = []
  const offers: string[] = []
  const connected = await connectScheduler({
    servers: [cluster().natsUrl],
    framework: { name, user: 'nobody', role, failover_timeout: 60 },
    callbacks: {
      offers: (made) => void offers.push(...made.map(({ id }) => id.value)),
      rescinded: (id) => void rescinded.push(id),
    },
  })
  const end = async () => {
    connected.driver.teardown()
    await connected.ended
    await connected.close()
  }
  return { ...connected, offers, rescinded, end }
}

test('offers are watched and rescinded', slow, async () => {
  const framework = await keeper('keeper', 'shop')
  const watch = new Running(['offer', 'watch', '--count', '2', '-o', 'json'], environment())
  try {
    await until(() => framework.offers.length === 2, { what: 'its offers' })
    const listed = (await done('offer', 'ls', '-o', 'name')).trim().split('\n').sort()
    assert.equal(listed, [...framework.offers].sort())
    const [first = ''] = framework.offers
    // Only who watches already hears of it, so it is done again until that is so.
    await until(
      async () => {
        await run('offer', 'rescind', '--framework', framework.frameworkId)
        return watch.child.exitCode !== null
      },
      { what: 'two changes', timeoutMs: 60_000 },
    )
    const { code, stdout } = await watch.ended
    assert.is(code, 0)
    const changes = stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text))
    assert.is(changes.length, 2)
    for (const { type, framework_id, offer, offer_id } of changes) {
      assert.is(framework_id, framework.frameworkId)
      const known = type === 'OFFER' ? framework.offers : framework.rescinded
      await until(() => known.includes(offer?.id.value ?? offer_id), { what: `${type}` })
    }
    assert.ok(framework.rescinded.includes(first))
    await until(async () => (await done('offer', 'ls', '-o', 'name')) !== '', { what: 'new ones' })
    const [id = ''] = (await done('offer', 'ls', '-o', 'name')).split('\n')
    assert.is(await done('offer', 'rescind', id), '1 offer is rescinded\n')
    const agent = await done('offer', 'rescind', '--agent', 'agent-1')
    assert.match(agent, /^\d offers? (?:is|are) rescinded\n$/)
    assert.match(await done('offer', 'rescind', '--all'), / rescinded\n$/)
  } finally {
    watch.child.kill('SIGKILL')
    await framework.end()
  }
})

test('a watch says a line for each change', slow, async () => {
  const watch = new Running(['offer', 'watch', '--count', '1'], environment())
  const framework = await keeper('seen', 'shop')
  const unseen = await keeper('unseen', 'shop')
  const { frameworkId } = framework.driver
  const other = new Running(['offer', 'watch', '--framework', frameworkId], environment())
  try {
    await until(
      async () => {
        await run('offer', 'rescind', '--all')
        return watch.child.exitCode !== null && other.stdout.includes('\n')
      },
      { what: 'changes', timeoutMs: 60_000 },
    )
    const { stdout } = await watch.ended
    assert.match(
      stdout,
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}(?:OFFER|RESCIND) +\S+-O\d+ {2}\S+.*\n$/,
    )
    other.child.kill('SIGINT')
    const end = await other.ended
    assert.equal([end.code, end.stderr], [0, ''])
    for (const change of end.stdout.trim().split('\n')) assert.ok(change.includes(frameworkId))
  } finally {
    watch.child.kill('SIGKILL')
    other.child.kill('SIGKILL')
    await unseen.end()
    await framework.end()
  }
})

test('roles show what they have, and quotas what is charged to them', slow, async () => {
  const framework = await keeper('web', 'eng/web')
  const task = run('run', '--role', 'eng', '--cpus', '1', '--mem', '64', '--', 'sleep', '1000')
  try {
    await done('quota', 'set', 'eng', '--limit', 'cpus:6')
    await done('weight', 'set', 'ops=3')
    await until(
      async () => {
        await run('offer', 'rescind', '--framework', framework.frameworkId)
        return /TASK_RUNNING/.test(await done('task', 'ls'))
      },
      { what: 'the task', timeoutMs: 60_000 },
    )
    assert.is(await done('role', 'ls', '-o', 'name'), 'eng\neng/web\nops\n')
    const listed = await done('role', 'ls', '-o', 'wide')
    assert.match(listed, /^eng +1 +1 +cpus:1; mem:64 .* cpus:6 +cpus:1; mem:64$/m)
    assert.match(listed, /^ops +3 +0 +- +- +- +- +- +-$/m)
    assert.match(await done('quota', 'ls'), /^eng +- +cpus:6 +cpus:1; mem:64$/m)
    const info = await done('role', 'info', 'eng/w')
    assert.match(info, /^role +eng\/web$/m)
    assert.match(info, new RegExp(`^frameworks +${framework.frameworkId} {2}web$`, 'm'))
    assert.match(await done('role', 'info', 'eng'), /^roles below +eng\/web$/m)
    await done('quota', 'rm', 'eng')
  } finally {
    for (const id of (await done('task', 'ls', '-o', 'name')).split('\n').filter(Boolean)) {
      await done('task', 'kill', id)
    }
    await task
    await framework.end()
  }
})

test('more tasks than one message holds are listed, page by page', slow, async () => {
  const tasks = 40
  const note = 'x'.repeat(400_000)
  let launched = 0
  const names = () => Array.from({ length: tasks }, (_, index) => `t${index}`).sort()
  const connected = await connectScheduler({
    servers: [cluster().natsUrl],
    framework: { name: 'large', user: 'nobody' },
    callbacks: {
      offers(offers, driver) {
        for (const offer of offers) {
          const room = new Room(offer)
          const need = { cpus: 0.01, mem: 1 }
          if (launched === tasks || room.lacks(need).length > 0) {
            driver.decline([offer], { refuse_seconds: 0 })
            continue
          }
          const id = `t${launched++}`
          const labels = { labels: [{ key: 'note', value: note }] }
          const { agent_id } = offer
          const resources = room.take(need)
          const task_id = { value: id }
          const command = { value: 'sleep 1000' }
          driver.launch([offer], [{ name: id, task_id, agent_id, resources, command, labels }], {
            refuse_seconds: 0,
          })
        }
      },
    },
  })
  try {
    const listed = async () => (await done('task', 'ls', '-o', 'name')).trim().split('\n').sort()
    await until(async () => (await listed()).length === tasks, { what: 'all', timeoutMs: 90_000 })
    assert.equal(await listed(), names())
    const { maxPayload } = cluster().client.connection
    assert.ok(tasks * note.length > maxPayload, `${maxPayload} bytes would hold them`)
    const whole = await cluster()
      .client.request('meseta.master.call', { type: 'GET_TASKS' })
      .catch(({ code }) => code)
    assert.is(whole, 'TOO_LARGE')
    const operator = await connectOperator({ servers: [cluster().natsUrl] })
    try {
      const { get_tasks } = await operator.master({ type: 'GET_TASKS' })
      assert.equal(get_tasks.tasks.map(({ task_id }) => task_id.value).sort(), names())
      const refused = await operator
        .master({ type: 'TEARDOWN', teardown: { framework_id: { value: 'nobody' } } })
        .catch((error) => error)
      assert.is(refused.code, 'NOT_FOUND')
      const agentId = get_tasks.tasks[0]?.agent_id.value ?? ''
      const { get_agent } = await operator.agent(agentId, { type: 'GET_AGENT' })
      assert.is(get_agent.agent_info?.id?.value, agentId)
    } finally {
      await operator.close()
    }
    const counts: Record<string, number> = JSON.parse(await done('status', '-o', 'json')).tasks
    const { completed: _, ...live } = counts
    assert.is(
      Object.values(live).reduce((sum, count) => sum + count, 0),
      tasks,
    )
    assert.match(await done('task', 'info', 't39'), /^id +t39$/m)
  } finally {
    connected.driver.teardown()
    await connected.ended
    await connected.close()
  }
})

test('an agent lists a large directory in pages too', slow, async () => {
  const files = 3000
  const shell = `i=0; while [ $i -lt ${files} ]; do : > file-$i; i=$((i+1)); done; echo made; sleep 1000`
  const task = run('run', '--cpus', '0.1', '--mem', '32', '--shell', '--', shell)
  const client = cluster().client
  try {
    await until(
      async () => {
        const [id = ''] = (await done('task', 'ls', '-o', 'name')).split('\n')
        return id !== '' && /made/.test((await run('task', 'logs', id)).stdout)
      },
      { what: 'the files', timeoutMs: 60_000 },
    )
    const { tasks } = (await client.master(GetTasks)).get_tasks
    const [{ agent_id, framework_id, task_id }] = tasks as [Task]
    const path = `/frameworks/${framework_id.value}/executors/${task_id.value}/runs/latest`
    const list_files = { path }
    const subject = client.subjects.agentCall(agent_id.value)
    const call = { type: 'LIST_FILES', list_files, page_size: 1000 }
    const page = (await client.request(subject, call)) as Reply<typeof ListFiles>
    assert.is(page.list_files.file_infos?.length, 1000)
    assert.type(page.next_page_token, 'string')
    const whole = await client.agent(agent_id.value, ListFiles, { list_files })
    const made = whole.list_files.file_infos?.filter((each) => /\/file-\d+$/.test(each.path)) ?? []
    assert.is(new Set(made.map((each) => each.path)).size, files)
  } finally {
    const ids = (await done('task', 'ls', '-o', 'name')).split('\n').filter(Boolean)
    for (const id of ids) await done('task', 'kill', id)
    await task
  }
})

test('what cannot be is refused, with what to do', slow, async () => {
  const refusals: Array<[number, RegExp, string[]]> = [
    [2, /USAGE: say which: ids of offers/, ['offer', 'rescind']],
    [2, /USAGE: say which: ids of offers/, ['offer', 'rescind', 'x', '--all']],
    [3, /NOT_FOUND: There is no offer x/, ['offer', 'rescind', 'x']],
    [3, /NOT_FOUND: There is no framework x/, ['offer', 'rescind', '--framework', 'x']],
    [3, /NOT_FOUND: There is no agent x/, ['offer', 'rescind', '--agent', 'x']],
    [2, /USAGE.*--count/, ['offer', 'watch', '--count', 'many']],
    [4, /NO_LEADER/, ['offer', 'watch', '--cluster', 'nowhere']],
    [3, /NOT_FOUND: There is no role x/, ['role', 'info', 'x']],
    [2, /missing required argument 'role'/, ['role', 'info']],
  ]
  for (const [code, sentence, args] of refusals) {
    const ended = await run(...args)
    assert.match(ended.stderr, sentence)
    assert.is(ended.code, code, args.join(' '))
  }
})

test.run()
