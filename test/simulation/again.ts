/** The same seed in another process, with a heap of another size: the hash must be the same. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const heapMb = 200

/** `until`: it stops at so many simulated seconds. */
export async function hashElsewhere(seed: string, until?: number): Promise<string> {
  const main = join(import.meta.dirname, 'main.ts')
  const args = [
    `--max-semi-space-size=1`,
    `--max-old-space-size=${heapMb}`,
    '--import',
    'tsx',
    main,
  ]
  if (until !== undefined) args.push('--until', String(until))
  const { stdout } = await promisify(execFile)(process.execPath, [...args, '--hash', seed])
  return stdout.trim()
}
