/** Temporary directories of a test file. They go with its process, whether it passed or not. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const created: string[] = []

/** Creates an empty directory, owned by the calling file, and returns its absolute path. */
export function temporaryDirectory(purpose = 'test'): string {
  if (created.length === 0) process.on('exit', removeAll)
  const path = mkdtempSync(join(tmpdir(), `meseta-${purpose}-`))
  created.push(path)
  return path
}

function removeAll(): void {
  for (const path of created) rmSync(path, { recursive: true, force: true, maxRetries: 3 })
}
