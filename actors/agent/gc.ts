/**
 * Removing the sandboxes of executors that have ended: after `gc_delay`, or earlier the fuller the disk
 * is; and the directories of executors and frameworks when nothing in them is in use or kept any more.
 * Directories of live or pending executors are never touched. Spec: agent.md §9.
 */
import { basename, dirname } from 'node:path'
import { type Context, type Disk, recordSuffixes } from '../../src/runtime/index.ts'
import { agentPath, executorPath, frameworkPath, type RunIds, runOf } from './paths.ts'
import { type AgentState, agentId, type Executor } from './state.ts'

/** Sandboxes that may wait for their removal; beyond, the oldest goes at once. */
const garbageMax = 100_000

/** The age in ms beyond which sandboxes go, of the share of the disk in use (0 to 1). */
export function maxAgeMs(delayMs: number, headroom: number, usage: number): number {
  return delayMs * Math.max(0, 1 - headroom - usage)
}

/** An executor has ended and nobody waits for its statuses. */
export function discard(state: AgentState, executor: Executor, cx: Context): void {
  const ids = {
    agent: agentId(state),
    framework: executor.framework.id,
    executor: executor.info.executor_id.value,
    container: executor.container,
  }
  schedule(state, runOf(state.options.work_dir, ids).sandbox, cx.monotonic())
}

/** A directory is about to be used (again): what is in it stays. */
export function keep(state: AgentState, ids: RunIds): void {
  state.garbage.delete(executorPath(state.options.work_dir, ids))
}

function schedule(state: AgentState, path: string, sinceMs: number): void {
  state.garbage.delete(path)
  state.garbage.set(path, sinceMs)
  if (state.garbage.size <= garbageMax) return
  const [oldest] = state.garbage.keys()
  if (oldest !== undefined) state.garbage.set(oldest, Number.NEGATIVE_INFINITY)
}

/** Starts looking at the disk, and finds what former lives left behind. */
export function watchDisk(state: AgentState, cx: Context): void {
  cx.after('disk', state.options.disk_watch_interval_ms, () => prune(state, cx))
  const own = state.info.id?.value
  cx.job(
    () => leftovers(cx.ports.disk, state.options.work_dir, own),
    (outcome) => {
      if (!outcome.ok) {
        cx.log('warn', 'old sandboxes could not be listed', { error: outcome.error.message })
        return
      }
      const needed = own === undefined ? new Set() : inUse(state)
      for (const { path, mtimeMs } of outcome.value) {
        if (needed.has(path)) continue
        schedule(state, path, cx.monotonic() - Math.max(0, cx.now() - mtimeMs))
      }
    },
  )
}

interface Leftover {
  readonly path: string
  readonly mtimeMs: number
}

/** The directories of executors, and those of agents that were here before. */
async function leftovers(
  disk: Disk,
  workDir: string,
  own: string | undefined,
): Promise<Leftover[]> {
  const found: Leftover[] = []
  const add = async (path: string) => {
    const stat = await disk.stat(path)
    if (stat !== undefined) found.push({ path, mtimeMs: stat.mtimeMs })
  }
  const list = async (path: string) =>
    (await disk.stat(path))?.kind === 'directory' ? disk.list(path) : []
  for (const agent of await list(dirname(agentPath(workDir, 'any')))) {
    const root = agentPath(workDir, agent)
    if (agent !== own) {
      await add(root)
      continue
    }
    for (const framework of await list(`${root}/frameworks`)) {
      const executors = `${root}/frameworks/${framework}/executors`
      for (const executor of await list(executors)) await add(`${executors}/${executor}`)
    }
  }
  return found
}

/** One round: what is due goes, one after the other, errors notwithstanding. */
function prune(state: AgentState, cx: Context): void {
  const { options } = state
  const { disk } = cx.ports
  const again = () => cx.after('disk', options.disk_watch_interval_ms, () => prune(state, cx))
  cx.job(
    () => disk.space(options.work_dir),
    (space) => {
      const usage = space.ok ? 1 - space.value.free / Math.max(1, space.value.total) : 0
      const limit = cx.monotonic() - maxAgeMs(options.gc_delay_ms, options.gc_disk_headroom, usage)
      const due = takeDue(state, limit)
      if (due.length > 0) cx.log('info', `removing ${due.length} directories`, { usage })
      cx.job(
        () => removeAll(disk, due),
        () => {
          state.removing.clear()
          again()
        },
      )
    },
  )
}

/** What goes now: of each sandbox that is due, the largest directory around it that may go with it. */
function takeDue(state: AgentState, limitMs: number): string[] {
  const due = [...state.garbage].filter(([, sinceMs]) => sinceMs <= limitMs).map(([path]) => path)
  for (const path of due) state.garbage.delete(path)
  const needed = inUse(state)
  // What is kept keeps all that is around it.
  for (const path of state.garbage.keys()) for (const each of around(path)) needed.add(each)
  for (const path of due) {
    const largest = around(path).find((each) => !needed.has(each))
    if (largest !== undefined) state.removing.add(largest)
  }
  return [...state.removing]
}

/** The directories of frameworks and executors that live or are about to. */
function inUse(state: AgentState): Set<string> {
  const paths = new Set<string>()
  for (const { id, executors } of state.frameworks.values()) {
    for (const executor of executors.keys()) {
      const ids = { agent: agentId(state), framework: id, executor, container: '' }
      paths.add(frameworkPath(state.options.work_dir, ids))
      paths.add(executorPath(state.options.work_dir, ids))
    }
  }
  return paths
}

/** The directory of a framework, of an executor in it, and of a sandbox in that; or that of an agent alone. */
function around(path: string): string[] {
  switch (basename(dirname(path))) {
    case 'runs':
      return [...around(dirname(dirname(path))), path]
    case 'executors':
      return [dirname(dirname(path)), path]
    default:
      return [path]
  }
}

async function removeAll(disk: Disk, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    for (const each of [path, ...Object.values(recordSuffixes).map((suffix) => path + suffix)]) {
      await disk.removeTree(each).catch(() => undefined)
    }
  }
}
