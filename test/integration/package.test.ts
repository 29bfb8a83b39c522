import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'

const test = suite('package')
const run = promisify(execFile)
const root = resolve(import.meta.dirname, '..', '..')

test('packed and installed globally, the command works from any folder', {
  timeoutMs: 400_000,
}, async () => {
  const directory = temporaryDirectory('package')
  const elsewhere = join(directory, 'elsewhere')
  mkdirSync(elsewhere)

  const packed = await run('npm', ['pack', '--json', '--pack-destination', directory], {
    cwd: root,
  })
  const [{ filename, files }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[')))
  const paths: string[] = files.map(({ path }: { path: string }) => path)
  assert.ok(paths.includes('dist/src/cli/main.js'))
  assert.not.ok(
    paths.some((path) => path.startsWith('test/')),
    'tests are not shipped',
  )

  const prefix = join(directory, 'prefix')
  const install = [
    'install',
    '--global',
    '--prefix',
    prefix,
    '--loglevel=error',
    join(directory, filename),
  ]
  await run('npm', install, { cwd: elsewhere })

  const meseta = join(prefix, 'bin', 'meseta')
  const version = await run(meseta, ['version'], { cwd: elsewhere })
  assert.match(version.stdout, /\d+\.\d+\.\d+/)
  const up = await run(meseta, ['up', '--demo', '--once'], { cwd: elsewhere })
  assert.match(up.stdout, /12 of 12 tasks finished, on 3 agents/)
})

test.run()
