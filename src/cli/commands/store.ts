/** `meseta store`: named variables that survive, in a replicated log. */
import { readFileSync } from 'node:fs'
import Type from 'typebox'
import {
  ExpungeVariable,
  FetchVariable,
  ListVariables,
  StoreVariable,
} from '../../../protocol/state.ts'
import type { Ask } from '../../framework/asking.ts'
import { CallError } from '../../framework/driver.ts'
import { type Pid, pid } from '../../runtime/index.ts'
import { command, noun } from '../command.ts'
import { type ConnectionOptions, withCluster } from '../connection.ts'
import { CommandError, commandError } from '../errors.ts'
import { asNode, nodesWith } from '../nodes.ts'
import { type Listing, renderJson, renderListing } from '../output.ts'
import { connectionSettings, outputSettings } from '../shared-settings.ts'

const stateSettings = {
  state: Type.String({ description: 'id of the state', default: 'state', placeholder: 'ID' }),
  node: Type.String({
    description: 'node of the state that is asked (default: the first one there is)',
    default: '',
    placeholder: 'NAME',
  }),
}

const versionSetting = {
  if_version: Type.String({
    description: 'only if this is the present version (default: whatever it is)',
    default: '',
    placeholder: 'VERSION',
  }),
}

/** An election may come first, and the log may have to be read. */
const timeoutMs = 60_000
/** Refusals for the moment: another node of the state is the log's writer, or much waits there. */
const passing = new Set(['LOG_NOT_ELECTED', 'LOG_BUSY'])
/** Attempts of a change that does not care for the version. */
const attemptsMax = 10

interface StateOptions extends ConnectionOptions {
  readonly state: string
  readonly node: string
}

function withState<T>(
  options: StateOptions,
  use: (ask: Ask, state: Pid) => Promise<T>,
): Promise<T> {
  return withCluster(options, async (client) => {
    const node = options.node || ((await nodesWith(client, options.state))[0] ?? '')
    return asNode(options, (ask) => use(patient(ask), pid(options.state, node)))
  })
}

/** Asks once more, for as long as a request may take, where nothing was done and might be a little later. */
function patient(ask: Ask): Ask {
  const untilMs = performance.now() + timeoutMs
  return async (...request) => {
    for (;;) {
      try {
        return await ask(...request)
      } catch (error) {
        const passes = error instanceof CallError && passing.has(error.code)
        if (!passes || performance.now() >= untilMs) throw error
        // Of two that take the log from each other, one shall be done before the other comes.
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 400))
      }
    }
  }
}

const get = command({
  name: 'get',
  section: 'store_get',
  operands: '<name>',
  summary: 'Print the value of a variable.',
  about: 'Exits with 3 if there is no such variable.',
  examples: [
    ['meseta store get config', 'as it is'],
    ['meseta store get config -o json', 'with its version, the value in base64'],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: stateSettings,
  run: ({ options, operands, terminal }) =>
    withState(options, async (ask, state) => {
      const name = operands[0]!
      const { version, value } = await ask(state, FetchVariable, { name }, timeoutMs)
      if (value === undefined) throw commandError('NOT_FOUND', { kind: 'variable', id: name })
      if (options.output === 'json') {
        const base64 = Buffer.from(value).toString('base64')
        terminal.out(renderJson({ name, version, value: base64 }))
      } else if (options.output === 'name') terminal.out(`${version}\n`)
      else terminal.out(value)
    }),
})

const set = command({
  name: 'set',
  section: 'store_set',
  operands: '<name> <value>',
  summary: 'Give a variable a value, and print its version. "@FILE" is the content of a file.',
  about:
    'With --if-version, two who change it at the same time do not overwrite each other: the second one is\n' +
    'refused, and exits with 1.',
  examples: [
    ['meseta store set greeting hello', 'whatever it was before'],
    [
      'meseta store set config @config.json --if-version 1b2c',
      'only if nobody else has changed it',
    ],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: { ...stateSettings, ...versionSetting },
  run: ({ options, operands, terminal }) =>
    withState(options, async (ask, state) => {
      const [name = '', text = ''] = operands
      const value = text.startsWith('@')
        ? new Uint8Array(readFileSync(text.slice(1)))
        : new TextEncoder().encode(text)
      const version = await change(ask, state, name, options.if_version, (version) =>
        ask(state, StoreVariable, { name, value, version }, timeoutMs),
      )
      const json = options.output === 'json'
      terminal.out(json ? renderJson({ name, version }) : `${version}\n`)
    }),
})

const rm = command({
  name: 'rm',
  section: 'store_rm',
  operands: '<name>',
  summary: 'Remove a variable.',
  about: 'Exits with 3 if there is no such variable.',
  examples: [['meseta store rm greeting', 'it is gone']],
  shared: { ...connectionSettings, ...outputSettings },
  own: { ...stateSettings, ...versionSetting },
  run: ({ options, operands, terminal }) =>
    withState(options, async (ask, state) => {
      const name = operands[0]!
      await change(ask, state, name, options.if_version, (version) => {
        if (version === '') throw commandError('NOT_FOUND', { kind: 'variable', id: name })
        return ask(state, ExpungeVariable, { name, version }, timeoutMs)
      })
      terminal.out(options.output === 'json' ? renderJson({ name }) : `${name} is removed\n`)
    }),
})

/** Makes a change of the given version or, where none is given, of whichever there is. */
async function change(
  ask: Ask,
  state: Pid,
  name: string,
  given: string,
  make: (version: string) => Promise<{ readonly changed: boolean; readonly version: string }>,
): Promise<string> {
  let expected = given
  if (given === '') ({ version: expected } = await ask(state, FetchVariable, { name }, timeoutMs))
  for (let attempt = 1; ; attempt++) {
    const { changed, version } = await make(expected)
    if (changed) return version
    if (given !== '' || attempt === attemptsMax) {
      throw new CommandError(
        'CONFLICT',
        `${name} has the version ${version || 'of a variable that is not there'}, not ${expected}`,
        'Look at its present value, and give its version.',
      )
    }
    expected = version
  }
}

const ls = command({
  name: 'ls',
  section: 'store_ls',
  operands: '[prefix]',
  summary: 'List the variables.',
  examples: [['meseta store ls web/', 'those whose names begin so']],
  shared: { ...connectionSettings, ...outputSettings },
  own: stateSettings,
  run: ({ options, operands, terminal }) =>
    withState(options, async (ask, state) => {
      const { names } = await ask(state, ListVariables, { prefix: operands[0] ?? '' }, timeoutMs)
      terminal.out(renderListing(listing, names, options.output, terminal))
    }),
})

const listing: Listing<string> = {
  empty: 'There are no variables.',
  name: (name) => name,
  document: (name) => ({ name }),
  columns: [{ title: 'NAME', value: (name) => name }],
}

export const storeCommand = noun(
  'store',
  'Variables of frameworks that survive, in a replicated log.',
  [get, set, ls, rm],
)
