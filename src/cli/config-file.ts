/**
 * The configuration file, in TOML: `--config`, else MESETA_CONFIG, else `./meseta.toml`, else
 * `~/.config/meseta/config.toml` (below XDG_CONFIG_HOME if that is set). Only the first that is there is
 * read. A key that means nothing is an error: a typing error must not pass for a setting.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parse, TomlError } from 'smol-toml'
import { usage } from './errors.ts'
import { nearest } from './nearest.ts'
import type { Section } from './settings.ts'

export interface ConfigFile {
  readonly path: string
  readonly content: Readonly<Record<string, unknown>>
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the file that applies; undefined if there is none.
 * @param given the value of `--config`
 * @throws CommandError USAGE if a named file cannot be read, or any is not TOML
 */
export function readConfigFile(
  given: string | undefined,
  env: Environment,
): ConfigFile | undefined {
  const named = given ?? (env.MESETA_CONFIG || undefined)
  if (named !== undefined) {
    const path = resolve(named)
    const file = read(path)
    if (file === undefined) {
      throw usage(`there is no configuration file ${path}`, 'Correct --config or MESETA_CONFIG.')
    }
    return file
  }
  const home = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config')
  return read(resolve('meseta.toml')) ?? read(join(home, 'meseta', 'config.toml'))
}

function read(path: string): ConfigFile | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw usage(
      `the configuration file ${path} cannot be read: ${message}`,
      'Check its permissions.',
    )
  }
  try {
    return { path, content: parse(text) }
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const sentence = error.message.split('\n')[0]
    throw usage(
      `${path}:${error.line}:${error.column}: ${sentence}`,
      'The file must be valid TOML.',
    )
  }
}

/**
 * Refuses keys that no section declares. A table whose name no section has belongs to a module that is
 * not loaded now, unless it is nearly a known name.
 * @param modules names of modules that are known without their sections
 * @throws CommandError USAGE, which names the file, the key and the nearest one that is known
 */
export function checkKeys(
  file: ConfigFile,
  sections: readonly Section[],
  modules: readonly string[] = [],
): void {
  const tables = new Map<string | undefined, string[]>()
  // Commands declare only those shared settings that they use: the top level has all of them.
  for (const each of sections) {
    tables.set(each.name, [...(tables.get(each.name) ?? []), ...keysOf(each)])
  }
  const names = [...modules, ...[...tables.keys()].filter((name) => name !== undefined)]
  const top = tables.get(undefined) ?? []
  for (const [key, value] of Object.entries(file.content)) {
    const isTable = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isTable) {
      if (!top.includes(key)) throw unknownKey(file, key, [...top, ...names])
      continue
    }
    const known = tables.get(key)
    if (known === undefined) {
      if (top.includes(key)) throw usage(`${file.path}: ${key}: must not be a table`)
      const near = nearest(key, names)
      if (near !== undefined && near !== key) throw unknownKey(file, key, names)
      continue
    }
    for (const inner of Object.keys(value)) {
      if (!known.includes(inner))
        throw unknownKey(
          file,
          `${key}.${inner}`,
          known.map((each) => `${key}.${each}`),
        )
    }
  }
}

function keysOf({ settings }: Section): string[] {
  return settings.map(({ key }) => key)
}

function unknownKey(file: ConfigFile, key: string, known: readonly string[]) {
  const near = nearest(key, known)
  const next = near === undefined ? `Known here: ${known.join(', ')}.` : `Did you mean ${near}?`
  return usage(`${file.path}: ${key}: there is no such key`, next)
}
