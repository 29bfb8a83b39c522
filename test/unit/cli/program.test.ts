import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createColors } from 'picocolors'
import { completionScript, shells, wordsOf } from '../../../src/cli/completion.ts'
import { findModule, loadModule } from '../../../src/cli/modules.ts'
import { buildProgram, commands } from '../../../src/cli/program.ts'
import type { Terminal } from '../../../src/cli/terminal.ts'
import { assert, suite } from '../../support/suite.ts'
import { temporaryDirectory } from '../../support/temp.ts'

const test = suite('program')

function silentTerminal(written: string[] = []): Terminal {
  return {
    out: (text) => void written.push(String(text)),
    note: (line) => void written.push(`${line}\n`),
    err: (text) => void written.push(String(text)),
    live: false,
    columns: () => 100,
    color: createColors(false),
    env: {},
  }
}

const program = () => buildProgram({ terminal: silentTerminal(), exit: () => undefined })

test('no two settings of different commands share a variable or a key', () => {
  const seen = new Map<string, string>()
  for (const { name, settings } of commands.flatMap(({ sections }) => sections)) {
    for (const { variable, key } of settings) {
      const place = `${name ?? ''}.${key}`
      assert.is(seen.get(variable) ?? place, place, variable)
      seen.set(variable, place)
    }
  }
  assert.ok(seen.size > 20)
})

test('every setting of every command is explained', () => {
  for (const { settings } of commands.flatMap(({ sections }) => sections)) {
    for (const { description, flag } of settings) assert.ok(description.length > 3, flag)
  }
})

test('every command without commands below it has examples in its help', () => {
  const written: string[] = []
  const root = buildProgram({ terminal: silentTerminal(written), exit: () => undefined })
  let count = 0
  const visit = (command: typeof root) => {
    for (const each of command.commands) {
      if (each.commands.length > 0) visit(each)
      else if (each.name() !== 'help') {
        written.length = 0
        each.outputHelp()
        assert.match(written.join(''), /Examples:\n {2}\S/, each.name())
        count++
      }
    }
  }
  visit(root)
  assert.ok(count > 15)
})

test('completion scripts are accepted by their shells and know the commands', () => {
  for (const shell of shells) {
    const script = completionScript(shell, wordsOf(program()))
    assert.match(script, /framework/)
    assert.match(script, /teardown/)
    assert.match(script, /instances/)
  }
  const script = completionScript('bash', wordsOf(program()))
  const lines = `${script}
COMP_WORDS=(meseta task l); COMP_CWORD=2; _meseta; echo "\${COMPREPLY[@]}"
COMP_WORDS=(meseta run --inst); COMP_CWORD=2; _meseta; echo "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', lines], { encoding: 'utf8' })
  assert.is(stderr, '')
  assert.equal(stdout.split('\n'), ['ls logs', '--instances', ''])
})

test('modules are found by our names, by path, and in directories', () => {
  const directory = temporaryDirectory('module')
  writeFileSync(join(directory, 'index.js'), 'export default 3')
  assert.match(findModule('agent'), /actors\/agent\/index\.(ts|js)$/)
  assert.is(findModule('.', directory), join(directory, 'index.js'))
  assert.is(findModule('./index.js', directory), join(directory, 'index.js'))
  assert.throws(() => findModule('agnet', directory), /There is no module agnet/)
})

test('what is no module of a node is refused with what it must be', async () => {
  const directory = temporaryDirectory('module')
  writeFileSync(join(directory, 'package.json'), '{"type": "module"}')
  writeFileSync(join(directory, 'wrong.js'), 'export default 3')
  writeFileSync(join(directory, 'broken.js'), 'throw new Error("cannot even load")')
  const messageOf = (name: string) =>
    loadModule(name, directory).then(
      () => 'loaded',
      (error: Error) => error.message,
    )
  assert.match(await messageOf('./wrong.js'), /wrong\.js is no module/)
  assert.match(await messageOf('./broken.js'), /cannot even load/)
})

test('our own components can be hosted', async () => {
  for (const name of ['master', 'agent']) {
    const module = await loadModule(name)
    assert.is(module.name, name)
    assert.ok('work_dir' in module.options.properties)
  }
})

test.run()
