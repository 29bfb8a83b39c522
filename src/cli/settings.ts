/**
 * Settings: one schema says what can be set, and from it come the flag (`--work-dir`), the environment
 * variable (`MESETA_AGENT_WORK_DIR`), the key of the file (`work_dir` in `[agent]`), the help and the
 * checks. Flag > environment > file > default. design.md §8.
 *
 * A property is a string, number, integer, boolean or array of strings. Besides JSON Schema's keywords
 * it may have those of `SettingKeywords`.
 */
import type { Static, TObject, TProperties, TSchema } from 'typebox'
import { checker } from '../../protocol/message.ts'
import type { ConfigFile } from './config-file.ts'
import { usage } from './errors.ts'

/** What a property may say beyond JSON Schema. */
export interface SettingKeywords {
  /** Name of the flag without dashes, where it is not the key with dashes. */
  readonly flag?: string
  /** One letter: `-o`. */
  readonly short?: string
  /** What stands for the value in the help: `URL`. */
  readonly placeholder?: string
}

interface SettingSchema extends SettingKeywords {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly enum?: readonly string[]
}

type Kind = 'string' | 'number' | 'boolean' | 'list'

/** One thing that can be set. */
export interface Setting {
  readonly key: string
  readonly kind: Kind
  /** `--work-dir` */
  readonly flag: string
  readonly short: string | undefined
  readonly placeholder: string
  /** `MESETA_AGENT_WORK_DIR` */
  readonly variable: string
  readonly description: string
  readonly default: unknown
  readonly required: boolean
  readonly choices: readonly string[] | undefined
  readonly schema: TSchema
}

/** Settings that belong together: a table of the file, or its top level. */
export interface Section<Properties extends TProperties = TProperties> {
  /** Undefined: the top level. */
  readonly name: string | undefined
  readonly schema: TObject<Properties>
  readonly settings: readonly Setting[]
}

/** Where values come from. `flags` maps a flag (with dashes) to what was given. */
export interface Sources {
  readonly flags: ReadonlyMap<string, unknown>
  readonly env: Readonly<Record<string, string | undefined>>
  readonly file: ConfigFile | undefined
}

/** The settings that a schema describes. */
export function section<Properties extends TProperties>(
  name: string | undefined,
  schema: TObject<Properties>,
): Section<Properties> {
  const required = new Set<string>((schema as { required?: string[] }).required ?? [])
  const settings = Object.entries(schema.properties).map(([key, property]) =>
    setting(name, key, property, required.has(key)),
  )
  return { name, schema, settings }
}

function setting(
  name: string | undefined,
  key: string,
  property: TSchema,
  required: boolean,
): Setting {
  const schema = property as SettingSchema
  const kind = kindOf(schema)
  const words = ['meseta', name, key].filter((word) => word !== undefined).join('_')
  return {
    key,
    kind,
    flag: `--${schema.flag ?? key.replaceAll('_', '-')}`,
    short: schema.short === undefined ? undefined : `-${schema.short}`,
    placeholder: schema.placeholder ?? (schema.enum ? schema.enum.join('|') : kind),
    variable: words.replaceAll('-', '_').toUpperCase(),
    description: schema.description ?? '',
    default: schema.default,
    required: required && schema.default === undefined,
    choices: schema.enum,
    schema: property,
  }
}

function kindOf({ type }: SettingSchema): Kind {
  if (type === 'array') return 'list'
  if (type === 'integer' || type === 'number') return 'number'
  return type === 'boolean' ? 'boolean' : 'string'
}

/**
 * The values of a section, each from the strongest source that has it.
 * @throws CommandError USAGE, which names the source and what it must be
 */
export function resolveSettings<Properties extends TProperties>(
  { settings, name }: Section<Properties>,
  sources: Sources,
): Static<TObject<Properties>> {
  const values: Record<string, unknown> = {}
  for (const each of settings) {
    const found = find(each, name, sources)
    if (found !== undefined) {
      values[each.key] = convert(each, found.value, found.origin)
    } else if (each.default !== undefined) {
      values[each.key] = each.default
    } else if (each.required) {
      throw usage(
        `${each.flag} is missing`,
        `Give ${each.flag}, or set ${each.variable} or ${each.key} in ${tableName(name)} of the configuration file.`,
      )
    }
  }
  return values as Static<TObject<Properties>>
}

function find(
  { flag, variable, key }: Setting,
  name: string | undefined,
  { flags, env, file }: Sources,
): { value: unknown; origin: string } | undefined {
  if (flags.has(flag)) return { value: flags.get(flag), origin: flag }
  const variableValue = env[variable]
  if (variableValue !== undefined) return { value: variableValue, origin: variable }
  const table = name === undefined ? file?.content : file?.content[name]
  if (typeof table !== 'object' || table === null || !Object.hasOwn(table, key)) return undefined
  const place = name === undefined ? key : `${name}.${key}`
  return { value: (table as Record<string, unknown>)[key], origin: `${file?.path}: ${place}` }
}

/** Text from a flag or variable becomes what the schema says; what a file holds has its type already. */
function convert({ kind, schema }: Setting, given: unknown, origin: string): unknown {
  const value = typeof given === 'string' ? fromText(kind, given) : given
  const problem = checker(origin, schema)(value)
  if (problem !== undefined) throw usage(problem)
  return value
}

function fromText(kind: Kind, text: string): unknown {
  switch (kind) {
    case 'number':
      return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text)
    case 'boolean':
      if (['true', '1', 'yes', 'on'].includes(text.toLowerCase())) return true
      return ['false', '0', 'no', 'off', ''].includes(text.toLowerCase()) ? false : text
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
    default:
      return text
  }
}

function tableName(name: string | undefined): string {
  return name === undefined ? 'the top level' : `[${name}]`
}
