/**
 * A command is declared as data: its name, what it does, examples, settings, and what it runs. From that
 * come its flags, its help, its part of the configuration file and of `docs/command.md`.
 */
import { type Command, Option } from 'commander'
import Type, { type Static, type TObject, type TProperties } from 'typebox'
import { checkKeys, readConfigFile } from './config-file.ts'
import { exitCodes } from './errors.ts'
import { builtInModules } from './modules.ts'
import { resolveSettings, type Section, type Setting, type Sources, section } from './settings.ts'
import { configSetting } from './shared-settings.ts'
import type { Terminal } from './terminal.ts'

/** What a command gets when it is run. */
export interface Invocation<Options> {
  readonly options: Options
  /** What stood on the command line besides options. */
  readonly operands: readonly string[]
  readonly terminal: Terminal
  /** The program that the command belongs to. */
  readonly program: Command
  /** For options that only become known while it runs, as those of a module. */
  readonly sources: Sources
}

/** A line to type, and what it does. */
export type Example = readonly [line: string, meaning: string]

export interface CommandOptions<Shared extends TProperties, Own extends TProperties> {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Further paragraphs of its help. */
  readonly about?: string
  /** In commander's notation: `<id>`, `[command...]`. */
  readonly operands?: string
  readonly examples: readonly Example[]
  /** Settings from shared-settings.ts: keys at the top level of the file. */
  readonly shared: Shared
  /** Settings of its own: keys of the table `section` (default: the name). */
  readonly own: Own
  readonly section?: string
  /** Options after the first operand belong to that, not to this command. */
  readonly passThrough?: boolean
  /** Returns the exit code; nothing means 0. */
  run(
    invocation: Invocation<Static<TObject<Shared>> & Static<TObject<Own>>>,
    // biome-ignore lint/suspicious/noConfusingVoidType: most commands return nothing
  ): Promise<number | void>
}

/** Surroundings of one run of the program. */
export interface Host {
  readonly terminal: Terminal
  /** All sections of all commands, to check the keys of the file. */
  sections(): readonly Section[]
  /** Takes the exit code. */
  exit(code: number): void
}

/** A declared command, or a noun with commands below it. */
export interface CliCommand {
  readonly name: string
  readonly sections: readonly Section[]
  attach(parent: Command, host: Host): void
}

/** Declares a command. */
export function command<Shared extends TProperties, Own extends TProperties>(
  spec: CommandOptions<Shared, Own>,
): CliCommand {
  const own = section(spec.section ?? spec.name, Type.Object(spec.own))
  const shared = section(undefined, Type.Object(spec.shared))
  return {
    name: spec.name,
    sections: [own, shared],
    attach(parent, host) {
      const built = parent.command(`${spec.name}${spec.operands ? ` ${spec.operands}` : ''}`)
      describe(built, spec)
      addOptions(built, own.settings, 'Options:')
      addOptions(
        built,
        [...shared.settings, ...section(undefined, Type.Object(configSetting)).settings],
        'Shared options:',
      )
      built.passThroughOptions(spec.passThrough ?? false)
      built.action(async () => {
        const sources = sourcesOf(built, host)
        const options = { ...resolveSettings(shared, sources), ...resolveSettings(own, sources) }
        const code = await spec.run({
          options: options as Static<TObject<Shared>> & Static<TObject<Own>>,
          operands: built.args,
          terminal: host.terminal,
          sources,
          program: rootOf(built),
        })
        host.exit(code ?? exitCodes.ok)
      })
    },
  }
}

/** Declares a noun: `agent` with the commands `ls` and `info` below it. */
export function noun(name: string, summary: string, commands: readonly CliCommand[]): CliCommand {
  return {
    name,
    sections: commands.flatMap(({ sections }) => sections),
    attach(parent, host) {
      const built = parent.command(name).description(summary)
      for (const each of commands) each.attach(built, host)
    },
  }
}

interface Described {
  readonly summary: string
  readonly about?: string
  readonly examples: readonly Example[]
}

/** Gives a commander command its help. */
export function describe(built: Command, { summary, about, examples }: Described): void {
  built.summary(summary)
  built.description(about === undefined ? summary : `${summary}\n\n${about}`)
  if (examples.length === 0) return
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, meaning]) => `  ${line.padEnd(width)}  ${meaning}`)
  built.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}

/** Adds flags. Their defaults are not commander's affair: it must stay visible what was given. */
export function addOptions(built: Command, settings: readonly Setting[], heading: string): void {
  built.optionsGroup(heading)
  for (const setting of settings) {
    const { flag, short, placeholder, kind } = setting
    const names = short === undefined ? flag : `${short}, ${flag}`
    const value = kind === 'boolean' ? '' : ` <${placeholder}>`
    const option = new Option(`${names}${value}`, helpLine(setting))
    if (kind === 'list') {
      option.argParser((item: string, before: string[] | undefined) => [...(before ?? []), item])
    }
    built.addOption(option)
    if (kind === 'boolean') {
      const negative = new Option(flag.replace('--', '--no-'), `not ${flag}`)
      built.addOption(setting.default === true ? negative : negative.hideHelp())
    }
  }
}

function helpLine({ description, default: value, variable, kind }: Setting): string {
  const none = value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
  const shown = none || kind === 'boolean' ? '' : `default: ${String(value)}; `
  const more = kind === 'list' ? 'may be repeated; ' : ''
  return `${description} (${more}${shown}${variable})`
}

/** The flags that were given to a parsed commander command, under their long names. */
export function flagsOf(built: Command): Map<string, unknown> {
  const flags = new Map<string, unknown>()
  for (const option of built.options) {
    const name = option.attributeName()
    if (built.getOptionValueSource(name) !== 'cli') continue
    flags.set((option.long ?? '').replace(/^--no-/, '--'), built.getOptionValue(name))
  }
  return flags
}

function rootOf(command: Command): Command {
  return command.parent === null ? command : rootOf(command.parent)
}

function sourcesOf(built: Command, host: Host): Sources {
  const flags = flagsOf(built)
  const { env } = host.terminal
  const file = readConfigFile(flags.get('--config') as string | undefined, env)
  if (file !== undefined) checkKeys(file, host.sections(), builtInModules)
  return { flags, env, file }
}
