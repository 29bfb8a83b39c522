/** Reading files of a task's sandbox from its agent, piece by piece. */
import { ReadFile } from '../../protocol/operator.ts'
import type { Task } from '../../protocol/v1/task.ts'
import type { ClusterClient } from './connection.ts'
import { CommandError } from './errors.ts'

/** Where a task's sandbox is, as its agent names it (operator-api.md §C, "Attached roots"). */
export function sandboxPath({
  framework_id,
  executor_id,
  task_id,
}: Pick<Task, 'framework_id' | 'executor_id' | 'task_id'>): string {
  // The executor of a plain command has the id of its task.
  const executor = executor_id?.value ?? task_id.value
  return `/frameworks/${framework_id.value}/executors/${executor}/runs/latest`
}

export interface FollowOptions {
  readonly client: ClusterClient
  readonly agentId: string
  readonly path: string
  readonly write: (data: Uint8Array) => void
  /** Asked before each look: once true, the rest is read and that is all. */
  readonly ended: () => boolean
}

/** Pause between two looks at a file that has not grown; it doubles up to the second number. */
const pauseMsMin = 50
const pauseMsMax = 500
/** How long an agent that does not answer is asked again after the task's end. */
const patienceMs = 10_000

/**
 * Passes a file on as it grows, and resolves when all of it was passed on after its task had ended.
 * @throws CommandError if the agent cannot be asked for the rest
 */
export async function followFile(options: FollowOptions): Promise<void> {
  let offset = 0
  let pauseMs = pauseMsMin
  let troubleMs: number | undefined
  for (;;) {
    // Looked at before the file: what is written between the two is read now.
    const last = options.ended()
    try {
      const data = await readAt(options, offset)
      troubleMs = undefined
      if (data !== undefined && data.length > 0) {
        offset += data.length
        pauseMs = pauseMsMin
        options.write(data)
        continue
      }
      if (last) return
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      troubleMs ??= performance.now()
      if (last && performance.now() - troubleMs > patienceMs) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    pauseMs = Math.min(pauseMs * 2, pauseMsMax)
  }
}

/** The bytes at an offset; undefined while there is no such file. */
export async function readAt(
  { client, agentId, path }: Pick<FollowOptions, 'client' | 'agentId' | 'path'>,
  offset: number,
): Promise<Uint8Array | undefined> {
  try {
    const { read_file } = await client.agent(agentId, ReadFile, { read_file: { path, offset } })
    return read_file.data
  } catch (error) {
    // A task that has not started, or a sandbox that is gone.
    if (error instanceof CommandError && error.code === 'NOT_FOUND') return undefined
    throw error
  }
}
