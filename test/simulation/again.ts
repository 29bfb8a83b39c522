/** The same seed in another process, with a heap of another size: the hash must be the same. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const heapMb = 200

export async function hashElsewhere(seed: string): Promise<string> {
  const main = join(import.meta.dirname, 'main.ts')
  const args = [
    `--max-semi-space-size=1`,
    `--max-old-space-size=${heapMb}`,
    '--import',
    'tsx',
    main,
  ]
  const { stdout } = await promisify(execFile)(process.execPath, [...args, '--hash', seed])
  return stdout.trim()
}
