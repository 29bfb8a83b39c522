/**
 * Removing the sandboxes of executors that have ended: after `gc_delay`, or earlier the fuller the disk
 * is. Directories of live or pending executors are never touched. Spec: agent.md §9.
 */
import { type Context, type Disk, recordSuffixes } from '../../src/runtime/index.ts'
import { agentPath, executorPath, type RunIds, runOf } from './paths.ts'
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
  if (state.info.id === undefined) return
  const root = `${agentPath(state.options.work_dir, agentId(state))}/frameworks`
  cx.job(
    () => leftovers(cx.ports.disk, root),
    (outcome) => {
      if (!outcome.ok) {
        cx.log('warn', 'old sandboxes could not be listed', { error: outcome.error.message })
        return
      }
      for (const { path, framework, executor, mtimeMs } of outcome.value) {
        if (state.frameworks.get(framework)?.executors.has(executor)) continue
        schedule(state, path, cx.monotonic() - Math.max(0, cx.now() - mtimeMs))
      }
    },
  )
}

interface Leftover {
  readonly path: string
  readonly framework: string
  readonly executor: string
  readonly mtimeMs: number
}

async function leftovers(disk: Disk, root: string): Promise<Leftover[]> {
  const found: Leftover[] = []
  const list = async (path: string) =>
    (await disk.stat(path))?.kind === 'directory' ? disk.list(path) : []
  for (const framework of await list(root)) {
    const executors = `${root}/${framework}/executors`
    for (const executor of await list(executors)) {
      const path = `${executors}/${executor}`
      const stat = await disk.stat(path)
      if (stat !== undefined) found.push({ path, framework, executor, mtimeMs: stat.mtimeMs })
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
      const due = [...state.garbage].filter(([, sinceMs]) => sinceMs <= limit).map(([path]) => path)
      for (const path of due) {
        state.garbage.delete(path)
        state.removing.add(path)
      }
      if (due.length > 0) cx.log('info', `removing ${due.length} sandboxes`, { usage })
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

async function removeAll(disk: Disk, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    for (const each of [path, ...Object.values(recordSuffixes).map((suffix) => path + suffix)]) {
      await disk.removeTree(each).catch(() => undefined)
    }
  }
}
