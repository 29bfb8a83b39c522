/**
 * Gets a fresh clone ready: dependencies, build, and a nats-server where one can be had. Run by
 * `npm start` and `npm test`; needs nothing but Node and npm. Each step is skipped when it has been done.
 *
 *     node src/setup.mjs [--no-build]
 */
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

const NODE_MIN = [20, 19]
const root = resolve(import.meta.dirname, '..')

checkNode()
installDependencies()
if (!process.argv.includes('--no-build')) build()
installBroker()

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [needMajor = 0, needMinor = 0] = NODE_MIN
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return
  fail(`Meseta needs Node ${NODE_MIN.join('.')} or later, this is ${process.versions.node}.`)
}

function installDependencies() {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  const stamp = join(root, 'node_modules', '.meseta-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  say('installing dependencies')
  // Not `npm ci`: it refuses a lock file in which any platform's optional binary is missing.
  const npm = process.env.npm_execpath
  const [command, ...args] = npm ? [process.execPath, npm] : ['npm']
  run(
    command,
    [...args, 'install', '--no-save', '--no-fund', '--no-audit', '--loglevel=error'],
    'npm install failed',
  )
  writeFileSync(stamp, lock)
}

function build() {
  const entry = join(root, 'dist', 'src', 'cli', 'main.js')
  const builtAt = existsSync(entry)
    ? statSync(join(root, 'dist', '.built'), { throwIfNoEntry: false })?.mtimeMs
    : undefined
  if (builtAt !== undefined && newest(['src', 'actors', 'protocol', 'benchmarks']) < builtAt) return
  say('building')
  const begun = new Date()
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  run(process.execPath, [compiler, '-p', 'tsconfig.build.json'], 'the build failed')
  const stamp = join(root, 'dist', '.built')
  writeFileSync(stamp, '')
  // What was changed while the compiler ran may not be in it.
  utimesSync(stamp, begun, begun)
}

/** Time of the latest change below the folders, and of the compiler's settings. */
function newest(folders) {
  let latest = 0
  const look = (path) => {
    const { mtimeMs } = statSync(path)
    if (mtimeMs > latest) latest = mtimeMs
  }
  for (const folder of folders) {
    for (const entry of readdirSync(join(root, folder), { recursive: true }))
      look(join(root, folder, entry))
  }
  for (const file of ['tsconfig.json', 'tsconfig.build.json', 'package.json'])
    look(join(root, file))
  return latest
}

function installBroker() {
  if (findBroker()) return
  const apt = find('apt-get')
  const allowed = typeof process.getuid === 'function' && process.getuid() === 0
  if (apt && allowed) {
    say('installing nats-server')
    const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
    const install = [
      '-o',
      'DPkg::Lock::Timeout=300',
      'install',
      '-y',
      '--no-install-recommends',
      'nats-server',
    ]
    if (spawnSync(apt, install, quiet).status !== 0) {
      spawnSync(apt, ['update'], quiet)
      spawnSync(apt, install, quiet)
    }
    if (findBroker()) return
  }
  say(
    'there is no nats-server here: install it (Debian, Ubuntu: sudo apt-get install nats-server) or set ' +
      'NATS_SERVER_BIN to its path. Going on with the in-memory network.',
  )
}

function findBroker() {
  const { NATS_SERVER_BIN } = process.env
  return NATS_SERVER_BIN ? isProgram(NATS_SERVER_BIN) && NATS_SERVER_BIN : find('nats-server')
}

function find(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/bin']
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function run(command, args, failure) {
  // What the tools say belongs to set-up, not to the output of the command that follows.
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) fail(`${failure}${error ? `: ${error.message}` : ''}`)
}

function say(text) {
  process.stderr.write(`meseta: ${text}\n`)
}

function fail(text) {
  say(text)
  process.exit(1)
}
