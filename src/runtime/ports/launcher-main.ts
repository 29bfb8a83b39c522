/** The launcher's program (see `launcher.ts`): starts what it is asked to, and tells of every end. */
import { ProcessError, type SpawnOptions } from '../ports.ts'
import { type Exit, start } from './start-process.ts'

export interface LaunchRequest {
  readonly id: number
  readonly options: SpawnOptions
}

export type LaunchAnswer =
  | { readonly id: number; readonly pid: number; readonly startTime: string }
  | { readonly id: number; readonly error: Pick<ProcessError, 'code' | 'message'> }
  | { readonly id: number; readonly exit: Exit }

function answer(message: LaunchAnswer): void {
  if (process.connected) process.send?.(message)
}

async function launch({ id, options }: LaunchRequest): Promise<void> {
  try {
    const { pid, startTime, exited } = await start(options)
    answer({ id, pid, startTime })
    answer({ id, exit: await exited })
  } catch (error) {
    const { code, message } =
      error instanceof ProcessError ? error : new ProcessError('SPAWN_FAILED', String(error))
    answer({ id, error: { code, message } })
  }
}

process.on('message', (request: LaunchRequest) => void launch(request))
process.on('disconnect', () => process.exit(0))
