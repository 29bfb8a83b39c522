/** The page of the command, made from the help texts that it prints. */
import { Command } from 'commander'
import { addOptions, describe } from '../src/cli/command.ts'
import { builtInModules, loadModule } from '../src/cli/modules.ts'
import { buildProgram } from '../src/cli/program.ts'
import { section } from '../src/cli/settings.ts'
import { systemTerminal } from '../src/cli/terminal.ts'

const width = 100

/** `docs/command.md`. */
export async function commandPage(): Promise<string> {
  let printed = ''
  const print = (text: string | Uint8Array) => {
    printed += text
  }
  const terminal = { ...systemTerminal(), out: print, err: print }
  const helpOf = (command: Command) => {
    printed = ''
    command.configureHelp({ helpWidth: width, sortSubcommands: false })
    command.configureOutput({ writeOut: print, getOutHelpWidth: () => width })
    command.outputHelp()
    return printed.trim()
  }
  const parts = [intro, block(helpOf(buildProgram({ terminal, exit() {} })))]
  const visit = (command: Command, path: string) => {
    for (const each of command.commands) {
      const name = `${path} ${each.name()}`
      if (each.commands.length > 0) visit(each, name)
      else if (each.name() !== 'help') parts.push(`## ${name}`, block(helpOf(each)))
    }
  }
  visit(buildProgram({ terminal, exit() {} }), 'meseta')
  for (const name of builtInModules) {
    const module = await loadModule(name)
    const command = new Command(`meseta start ${name}`)
    describe(command, { summary: module.summary, examples: [] })
    addOptions(command, section(module.name, module.options).settings, 'Options of the module:')
    parts.push(`## meseta start ${name}`, block(helpOf(command)))
  }
  return `${parts.join('\n\n')}\n`
}

const intro = `# The command

Made from the help texts of the command itself: \`meseta <command> --help\` says the same.

A value is taken from the flag, else from the variable of the environment that the help names, else from
the configuration file (\`--config\`, \`./meseta.toml\` or \`~/.config/meseta/config.toml\`), else it is the
default. A key of the file is the variable's name without \`MESETA_\`, in small letters; those of one command or
module (\`MESETA_AGENT_...\`, \`MESETA_RUN_...\`) stand in a section of its name:

\`\`\`toml
nats_url = "nats://broker-1:4222"

[agent]
work_dir = "/var/lib/meseta/agent"
\`\`\``

function block(text: string): string {
  return `\`\`\`\n${text}\n\`\`\``
}
