/** The whole program: every command, in the order in which help lists them. */
import { Command } from 'commander'
import type { CliCommand, Host } from './command.ts'
import { actorCommand } from './commands/actor.ts'
import { agentCommand } from './commands/agent.ts'
import { completionCommand } from './commands/completion.ts'
import { doctorCommand } from './commands/doctor.ts'
import { eventsCommand } from './commands/events.ts'
import { frameworkCommand } from './commands/framework.ts'
import { leaderCommand } from './commands/leader.ts'
import { logCommand } from './commands/log.ts'
import { maintenanceCommand } from './commands/maintenance.ts'
import { offerCommand } from './commands/offer.ts'
import { quotaCommand } from './commands/quota.ts'
import { reservationCommand } from './commands/reservation.ts'
import { roleCommand } from './commands/role.ts'
import { runCommand } from './commands/run.ts'
import { startCommand } from './commands/start.ts'
import { statusCommand } from './commands/status.ts'
import { storeCommand } from './commands/store.ts'
import { taskCommand } from './commands/task.ts'
import { upCommand } from './commands/up.ts'
import { versionCommand, versionText } from './commands/version.ts'
import { volumeCommand } from './commands/volume.ts'
import { weightCommand } from './commands/weight.ts'

/** All commands. */
export const commands: readonly CliCommand[] = [
  upCommand,
  startCommand,
  runCommand,
  statusCommand,
  eventsCommand,
  agentCommand,
  frameworkCommand,
  taskCommand,
  offerCommand,
  roleCommand,
  reservationCommand,
  volumeCommand,
  quotaCommand,
  weightCommand,
  maintenanceCommand,
  actorCommand,
  leaderCommand,
  logCommand,
  storeCommand,
  doctorCommand,
  completionCommand,
  versionCommand,
]

/** Longer lines are hard to read. */
const helpWidthMax = 100

/** Builds the program anew; commander keeps state of a run in it. */
export function buildProgram(host: Pick<Host, 'terminal' | 'exit'>): Command {
  const program = new Command('meseta')
    .description(
      'A cluster manager in the manner of Apache Mesos: agents offer resources, frameworks run tasks on them.',
    )
    .version(versionText(), '-V, --version')
    .enablePositionalOptions()
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureHelp({ sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => host.terminal.out(text),
      writeErr: (text) => host.terminal.err(text),
      getOutHelpWidth: () => Math.min(host.terminal.columns(), helpWidthMax),
      getOutHasColors: () => false,
    })
    .addHelpText(
      'after',
      '\nEvery option is also a variable of the environment and a key of the configuration file.\nExit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 no leader, 5 denied; `run` exits as its task does.',
    )
  const whole: Host = { ...host, sections: () => commands.flatMap(({ sections }) => sections) }
  for (const each of commands) each.attach(program, whole)
  return program
}
