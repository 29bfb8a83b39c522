import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Type from 'typebox'
import { type ConfigFile, checkKeys, readConfigFile } from '../../../src/cli/config-file.ts'
import { CommandError } from '../../../src/cli/errors.ts'
import { resolveSettings, type Sources, section } from '../../../src/cli/settings.ts'
import { assert, suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'

const test = suite('settings')

const agent = section(
  'agent',
  Type.Object({
    work_dir: Type.String({ description: 'where', default: '/var' }),
    slots: Type.Integer({ description: 'how many', default: 2, minimum: 1 }),
    quiet: Type.Boolean({ description: 'say less', default: false }),
    tags: Type.Array(Type.String(), { description: 'words', default: [] }),
  }),
)
const shared = section(undefined, Type.Object({ cluster: Type.String({ default: 'meseta' }) }))

function from(sources: Partial<Sources>): Sources {
  return { flags: new Map(), env: {}, file: undefined, ...sources }
}

const file: ConfigFile = {
  path: '/etc/m.toml',
  content: { cluster: 'blue', agent: { work_dir: '/file', slots: 5, tags: ['f'] } },
}

function refusal(run: () => unknown): CommandError {
  try {
    run()
  } catch (error) {
    if (error instanceof CommandError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

test('a flag beats the environment, that the file, that the default', () => {
  const env = { MESETA_AGENT_WORK_DIR: '/env' }
  const flags = new Map([['--work-dir', '/flag']])
  assert.is(resolveSettings(agent, from({})).work_dir, '/var')
  assert.is(resolveSettings(agent, from({ file })).work_dir, '/file')
  assert.is(resolveSettings(agent, from({ file, env })).work_dir, '/env')
  assert.is(resolveSettings(agent, from({ file, env, flags })).work_dir, '/flag')
})

test('text from flags and variables becomes what the schema says', () => {
  const env = {
    MESETA_AGENT_SLOTS: '7',
    MESETA_AGENT_QUIET: 'yes',
    MESETA_AGENT_TAGS: 'a, b,,c',
  }
  const values = resolveSettings(agent, from({ env }))
  assert.equal(values, { work_dir: '/var', slots: 7, quiet: true, tags: ['a', 'b', 'c'] })
})

test('a switch that the file turned on can be turned off by its flag', () => {
  const on: ConfigFile = { path: 'x', content: { agent: { quiet: true } } }
  assert.is(resolveSettings(agent, from({ file: on })).quiet, true)
  const flags = new Map([['--quiet', false]])
  assert.is(resolveSettings(agent, from({ file: on, flags })).quiet, false)
})

test('shared settings stand at the top level of the file and have no word in their variable', () => {
  assert.is(resolveSettings(shared, from({ file })).cluster, 'blue')
  assert.is(resolveSettings(shared, from({ file, env: { MESETA_CLUSTER: 'red' } })).cluster, 'red')
})

test('a bad value is refused by the name of where it came from', () => {
  const cases: ReadonlyArray<readonly [Partial<Sources>, RegExp]> = [
    [{ flags: new Map([['--slots', 'many']]) }, /^--slots: .*integer/],
    [{ flags: new Map([['--slots', '0']]) }, /^--slots: .*1/],
    [{ env: { MESETA_AGENT_QUIET: 'perhaps' } }, /^MESETA_AGENT_QUIET: .*boolean/],
    [
      { file: { path: '/etc/m.toml', content: { agent: { slots: 'x' } } } },
      /^\/etc\/m\.toml: agent\.slots: .*integer/,
    ],
  ]
  for (const [sources, sentence] of cases) {
    const error = refusal(() => resolveSettings(agent, from(sources)))
    assert.is(error.code, 'USAGE')
    assert.match(error.message, sentence)
  }
})

test('what has no default must be given, and the refusal says how', () => {
  const strict = section('thing', Type.Object({ target: Type.String() }))
  const error = refusal(() => resolveSettings(strict, from({})))
  assert.match(error.message, /--target is missing/)
  assert.match(error.advice, /MESETA_THING_TARGET/)
  assert.match(error.advice, /\[thing\]/)
})

test('a key that means nothing is refused with the file and the nearest key', () => {
  const wrong = (content: Record<string, unknown>) =>
    refusal(() => checkKeys({ path: '/etc/m.toml', content }, [agent, shared], ['master']))
  const inner = wrong({ agent: { work_dri: '/x' } })
  assert.match(inner.message, /\/etc\/m\.toml: agent\.work_dri/)
  assert.match(inner.advice, /agent\.work_dir/)
  assert.match(wrong({ clutser: 'x' }).advice, /cluster/)
  assert.match(wrong({ agnet: {} }).advice, /agent/)
  assert.match(wrong({ cluster: {} }).message, /must not be a table/)
})

test('tables of modules that are not loaded are let pass', () => {
  const content = { master: { any: 1 }, counter: { start: 3 }, cluster: 'x', agent: { slots: 1 } }
  checkKeys({ path: 'x', content }, [agent, shared], ['master'])
})

test('sections of one name count together', () => {
  const other = section(undefined, Type.Object({ output: Type.String({ default: 'table' }) }))
  checkKeys({ path: 'x', content: { cluster: 'x', output: 'json' } }, [shared, other, shared])
})

test('the file is the one named, else the local one, else the one at home', () => {
  const home = temporaryDirectory('home')
  const here = process.cwd()
  mkdirSync(join(home, '.config', 'meseta'), { recursive: true })
  writeFileSync(join(home, '.config', 'meseta', 'config.toml'), 'cluster = "home"')
  const empty = temporaryDirectory('cwd')
  process.chdir(empty)
  try {
    const env = { HOME: home }
    assert.is(readConfigFile(undefined, env)?.content.cluster, 'home')
    writeFileSync(join(empty, 'meseta.toml'), 'cluster = "local"')
    assert.is(readConfigFile(undefined, env)?.content.cluster, 'local')
    const named = join(home, 'named.toml')
    writeFileSync(named, 'cluster = "named"')
    assert.is(readConfigFile(undefined, { ...env, MESETA_CONFIG: named })?.content.cluster, 'named')
    assert.is(readConfigFile(join(empty, 'meseta.toml'), env)?.content.cluster, 'local')
  } finally {
    process.chdir(here)
  }
})

test('a named file that is not there, or is no TOML, is refused by its name', () => {
  const directory = temporaryDirectory('config')
  assert.match(refusal(() => readConfigFile(join(directory, 'no.toml'), {})).message, /no\.toml/)
  const broken = join(directory, 'broken.toml')
  writeFileSync(broken, 'cluster = "blue"\nagents = = 3\n')
  assert.match(refusal(() => readConfigFile(broken, {})).message, /broken\.toml:2:/)
})

test.run()
