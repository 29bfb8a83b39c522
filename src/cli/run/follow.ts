/**
 * Running tasks through the SDK and staying with them: output, progress, time-out, Ctrl-C, exit code.
 * Whatever ends this, the framework is torn down, which kills what may still run.
 */
import { userInfo } from 'node:os'
import { GetMaster } from '../../../protocol/operator.ts'
import {
  CallError,
  connectScheduler,
  type TaskProgress,
  TaskRun,
  type TaskSpec,
} from '../../framework/index.ts'
import { systemPorts } from '../../runtime/ports/index.ts'
import { pinoLog } from '../../runtime/ports/pino-log.ts'
import type { RunOptions } from '../commands/run.ts'
import { type ClusterClient, transportOf } from '../connection.ts'
import { CommandError, exitCodes } from '../errors.ts'
import { exitCodeOf } from '../exit-status.ts'
import { hasAttribute } from '../plan.ts'
import { followFile, sandboxPath } from '../sandbox.ts'
import type { Terminal } from '../terminal.ts'
import { countingProgress, quietProgress } from './progress.ts'

export interface FollowRun {
  readonly client: ClusterClient
  readonly options: RunOptions
  readonly operands: readonly string[]
  readonly terminal: Terminal
  readonly name: string
  readonly timeoutMs: number | undefined
  readonly graceMs: number
}

/** Tasks live on so long if the broker or the master is lost; this program subscribes again meanwhile. */
const failoverSeconds = 15
/** After the grace period, for the news of the killed tasks to arrive. */
const newsMs = 5000

/** Resolves with the exit code. @throws CommandError if the framework is refused or ended by others */
export async function follow(run: FollowRun): Promise<number> {
  const { client, options, terminal } = run
  // Says at once, and with the exit code for it, that nobody leads.
  await client.master(GetMaster)
  const specs = specsOf(run)
  const single = specs.length === 1
  const progress = single ? quietProgress(terminal) : countingProgress(terminal, specs.length)
  let done: (all: readonly TaskProgress[]) => void = () => {}
  const finished = new Promise<readonly TaskProgress[]>((resolve) => {
    done = resolve
  })
  let output: Promise<void> | undefined
  const tasks = new TaskRun({
    tasks: specs,
    accepts: (offer) =>
      options.attribute.every((wanted) => hasAttribute(offer.attributes ?? [], wanted)),
    onProgress(task) {
      progress.changed(task)
      if (single && task.state === 'TASK_RUNNING')
        output ??= streams(run, task, connected.frameworkId)
    },
    onDone: done,
  })
  const { cluster } = options
  const connected = await connectScheduler({
    ports: systemPorts({ transport: transportOf(options), log: pinoLog({ level: 'error' }) }),
    cluster,
    framework: {
      name: `run ${run.name}`,
      user: options.user || userInfo().username,
      roles: [options.role],
      failover_timeout: failoverSeconds,
      checkpoint: true,
      capabilities: [
        { type: 'MULTI_ROLE' },
        { type: 'PARTITION_AWARE' },
        { type: 'RESERVATION_REFINEMENT' },
        { type: 'SHARED_RESOURCES' },
        ...(options.revocable ? [{ type: 'REVOCABLE_RESOURCES' as const }] : []),
      ],
    },
    callbacks: tasks.callbacks,
  })
  const ended = connected.ended.then(() => {
    throw new CommandError(
      'FRAMEWORK_REMOVED',
      'the framework of this run was torn down by somebody else',
      'Its tasks were killed. Look at "meseta events" for who does such things.',
    )
  })
  const stop = stopReason(run.timeoutMs)
  try {
    const first = await Promise.race([finished, ended, stop.asked])
    let all = tasks.progress
    if (typeof first === 'string') {
      terminal.note(first === 'timeout' ? `time-out after ${options.timeout}: killing` : 'killing')
      tasks.stop(connected.driver)
      const limit = new Promise((resolve) => setTimeout(resolve, run.graceMs + newsMs))
      await Promise.race([finished, ended, limit])
    } else all = first
    // A task that ended before it was seen running has output too.
    const [task] = all
    if (single && task?.taskId !== undefined) output ??= streams(run, task, connected.frameworkId)
    await output
    progress.finish(all)
    if (first === 'timeout') return exitCodes.timeout
    return typeof first === 'string' ? exitCodes.interrupted : exitCodeOf(all)
  } catch (error) {
    if (error instanceof CallError) throw new CommandError(error.code, error.message, error.advice)
    throw error
  } finally {
    stop.forget()
    // A turn later: the last acknowledgement goes out before the end of the framework.
    await new Promise((resolve) => setImmediate(resolve))
    connected.driver.teardown()
    await connected.close()
  }
}

function specsOf({ options, operands, name, graceMs }: FollowRun): TaskSpec[] {
  const { cpus, mem, disk, volume, revocable, instances, env, user, shell } = options
  const volumes = volume.map((text) => {
    const [id = '', path] = text.split(':')
    return { id, ...(path !== undefined && { path }) }
  })
  // Ids of one run differ from those of another, so that "task logs NAME" means one of them.
  const unique = `${name}-${crypto.randomUUID().slice(0, 6)}`
  const width = String(instances).length
  const spec = {
    ...{ cpus, mem, ...(disk > 0 && { disk }), ...(volumes.length > 0 && { volumes }), revocable },
    ...(shell
      ? { command: operands.join(' '), shell: true }
      : { command: operands[0]!, args: operands, shell: false }),
    env: Object.fromEntries(env.map((pair) => splitPair(pair))),
    ...(user !== '' && { user }),
    killGraceSeconds: graceMs / 1000,
  }
  return Array.from({ length: instances }, (_, index) => ({
    ...spec,
    name: instances === 1 ? unique : `${unique}-${String(index + 1).padStart(width, '0')}`,
  }))
}

function splitPair(pair: string): [string, string] {
  const equals = pair.indexOf('=')
  return [pair.slice(0, equals), pair.slice(equals + 1)]
}

/** Shows both outputs of a task as they grow; resolves when all of both was shown. */
async function streams(run: FollowRun, task: TaskProgress, frameworkId: string): Promise<void> {
  const { client, terminal } = run
  const sandbox = sandboxPath({
    framework_id: { value: frameworkId },
    task_id: { value: task.taskId ?? '' },
  })
  const file = (name: string, write: (data: Uint8Array) => void) =>
    followFile({
      client,
      agentId: task.agentId ?? '',
      path: `${sandbox}/${name}`,
      write,
      ended: () => task.done,
    })
  await Promise.all([file('stdout', terminal.out), file('stderr', terminal.err)])
}

/** Resolves with `timeout`, or the name of a signal. A second signal ends the program at once. */
function stopReason(timeoutMs: number | undefined) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  let resolveAsked: (why: string) => void = () => {}
  const asked = new Promise<string>((resolve) => {
    resolveAsked = resolve
  })
  let count = 0
  const onSignal = (signal: string) => {
    if (++count > 1) process.exit(exitCodes.interrupted)
    resolveAsked(signal)
  }
  for (const signal of signals) process.on(signal, onSignal)
  const timer =
    timeoutMs === undefined ? undefined : setTimeout(() => resolveAsked('timeout'), timeoutMs)
  return {
    asked,
    forget() {
      clearTimeout(timer)
      for (const signal of signals) process.off(signal, onSignal)
    },
  }
}
