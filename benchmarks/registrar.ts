/**
 * The registry by itself: the real registrar over a log of one replica on a real disk, with a stand-in for
 * the master. Agents are admitted, declared unreachable and reachable again in random order, read by a new
 * leader, forgotten by half and removed. Spec: allocator.md §16, `Registrar Performance`,
 * `MarkUnreachableThenReachable` and `GcManyAgents`.
 *
 *     npx tsx benchmarks/registrar.ts [--quick] [--json]
 *
 * The limit is fdatasync alone: as many as it would take if each batch of operations were one small write.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { log } from '../actors/log/index.ts'
import { registrar } from '../actors/registrar/index.ts'
import { Elect } from '../protocol/log.ts'
import type { Message, Payload, Reply } from '../protocol/message.ts'
import { ApplyRegistry, RecoverRegistry, type RegistryOperation } from '../protocol/registrar.ts'
import type { AgentInfo } from '../protocol/v1/agent.ts'
import { child, type Node, type Pid, pid, startNode, table } from '../src/runtime/index.ts'
import { stream, systemClock, systemPorts } from '../src/runtime/ports/index.ts'
import { memoryBroker } from '../src/transport/memory.ts'
import { portsUpTo, scalar, timed } from './support/allocator-world.ts'
import { median } from './support/statistics.ts'

const quick = process.argv.includes('--quick')
const sizes = quick ? [1000] : [10_000, 20_000, 30_000, 50_000]
/** Operations in one request, as agents register together; requests under way at a time. */
const BATCH = 100
const IN_FLIGHT = 8
const askMs = 60_000

interface Line {
  readonly agents: number
  readonly work: string
  readonly operations: number
  readonly ms: number
  readonly cpuMs: number
  readonly limitMs?: number
}

const REGISTRAR = pid('registrar', 'bench')
const timestamp = { nanoseconds: 1_795_000_000_000_000_000 }

/** A node with a registrar, and an actor that asks as a master does. */
async function start(path: string): Promise<Node> {
  const asker = table({ label: 'asker', messages: [], init: () => undefined, handlers: {} })
  return startNode({
    name: 'bench',
    ports: systemPorts({
      transport: memoryBroker({ clock: systemClock }).transport('bench'),
      log: { write() {} },
    }),
    children: [
      log({ path, node: 'bench', replicas: ['bench'] }),
      registrar({ node: 'bench' }),
      child({ id: 'asker', behaviour: asker, args: undefined }),
    ],
  })
}

/** @throws Error with what the answer says, if it is a refusal. */
function ask<M extends Message>(
  node: Node,
  to: Pid,
  message: M,
  body: Payload<M>,
): Promise<Reply<M>> {
  const cell = node.cell('asker')!
  return new Promise((resolve, reject) => {
    node.call(cell, () =>
      cell.ask(to, message, body, { timeoutMs: askMs }, (outcome) => {
        if (outcome.ok) resolve(outcome.value)
        else reject(new Error(outcome.error.message))
      }),
    )
  })
}

/** Recovers as a master that has just been elected; resolves with the number of admitted agents. */
async function recover(node: Node): Promise<number> {
  const deadline = performance.now() + askMs
  for (;;) {
    try {
      const { epoch, position } = await ask(node, pid('log-writer', 'bench'), Elect, {})
      const body = { master_id: 'bench', epoch, position }
      return (await ask(node, REGISTRAR, RecoverRegistry, body)).admitted.length
    } catch (error) {
      // Nobody is elected before the replica votes.
      if (performance.now() > deadline) throw error
    }
  }
}

/** All operations, in requests of `BATCH`. @throws Error if one did not apply */
async function applyAll(node: Node, operations: readonly RegistryOperation[]): Promise<void> {
  let at = 0
  const worker = async () => {
    while (at < operations.length) {
      const batch = operations.slice(at, at + BATCH)
      at += BATCH
      const { applied } = await ask(node, REGISTRAR, ApplyRegistry, { operations: batch })
      if (!applied.every(Boolean)) throw new Error('an operation did not apply')
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
}

function agentInfo(index: number): AgentInfo {
  return {
    id: { value: `agent-${index}` },
    hostname: `host-${index}`,
    resources: [scalar('cpus', 24), scalar('mem', 4096), scalar('disk', 4096), portsUpTo(32_000)],
  }
}

async function measure(agents: number): Promise<Line[]> {
  const directory = mkdtempSync(join(tmpdir(), 'meseta-bench-'))
  let node = await start(directory)
  try {
    const eachMs = syncMs(directory) / BATCH
    const infos = Array.from({ length: agents }, (_, i) => agentInfo(i))
    const ids = infos.map(({ id }) => id!)
    const shuffled = [...infos]
    const random = stream(agents, 'order')
    for (let i = shuffled.length - 1; i > 0; i--) {
      const other = random.int(i + 1)
      ;[shuffled[i], shuffled[other]] = [shuffled[other]!, shuffled[i]!]
    }
    const lines: Line[] = []
    const note = async (work: string, run: () => Promise<unknown>, operations = agents) => {
      const times = await timed(async () => void (await run()))
      lines.push({ agents, work, operations, ...times, limitMs: eachMs * operations })
    }
    await recover(node)
    await note('admit', () =>
      applyAll(
        node,
        infos.map((agent_info) => ({ type: 'ADMIT_AGENT', agent_info })),
      ),
    )
    await note('mark unreachable', () =>
      applyAll(
        node,
        ids.map((agent_id) => ({ type: 'MARK_UNREACHABLE', agent_id, timestamp })),
      ),
    )
    await note('mark reachable, in random order', () =>
      applyAll(
        node,
        shuffled.map((agent_info) => ({ type: 'MARK_REACHABLE', agent_info })),
      ),
    )
    await node.stop()
    node = await start(directory)
    const recovered = await timed(async () => {
      const admitted = await recover(node)
      if (admitted !== agents) throw new Error(`${admitted} agents were recovered`)
    })
    lines.push({ agents, work: 'recover, from the disk', operations: agents, ...recovered })
    const half = ids.slice(0, agents / 2)
    await applyAll(
      node,
      half.map((agent_id) => ({ type: 'MARK_UNREACHABLE', agent_id, timestamp })),
    )
    const prune: RegistryOperation = { type: 'PRUNE', unreachable: half, gone: [], left: [] }
    await note('forget half of them', () => applyAll(node, [prune]), half.length)
    await note(
      'remove the others',
      () =>
        applyAll(
          node,
          ids.slice(half.length).map((agent_id) => ({ type: 'REMOVE_AGENT', agent_id })),
        ),
      agents - half.length,
    )
    return lines
  } finally {
    await node.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** One small write and fdatasync, median. */
function syncMs(directory: string): number {
  const file = openSync(join(directory, 'limit'), 'w')
  try {
    const took = Array.from({ length: 50 }, () => {
      const begin = performance.now()
      writeSync(file, 'x')
      fdatasyncSync(file)
      return performance.now() - begin
    })
    return median(took)
  } finally {
    closeSync(file)
  }
}

// ---- report

const lines: Line[] = []
for (const agents of sizes) lines.push(...(await measure(agents)))
if (process.argv.includes('--json')) {
  process.stdout.write(`${JSON.stringify({ benchmark: 'registrar', figures: lines }, null, 2)}\n`)
} else {
  const table = new Table({
    head: ['agents', 'work', 'ms', 'CPU ms', 'each µs', 'limit ms', 'ratio'],
    style: { head: [], border: [] },
  })
  for (const { agents, work, operations, ms, cpuMs, limitMs } of lines) {
    const each = ((ms * 1000) / operations).toFixed(1)
    const ratio = limitMs === undefined ? '' : (ms / limitMs).toFixed(1)
    const limit = limitMs?.toFixed(1) ?? ''
    table.push([agents, work, ms.toFixed(0), cpuMs.toFixed(0), each, limit, ratio])
  }
  process.stdout.write(`${table}\n`)
}
