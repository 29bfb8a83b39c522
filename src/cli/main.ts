#!/usr/bin/env node
/** The `meseta` command. */
import { CommanderError } from 'commander'
import { CommandError, codeOf, describeError, exitCodeFor, exitCodes } from './errors.ts'
import { buildProgram } from './program.ts'
import { systemTerminal } from './terminal.ts'

const terminal = systemTerminal()

/** Runs one command line and resolves with the exit code. */
async function main(argv: readonly string[]): Promise<number> {
  let exitCode: number = exitCodes.ok
  const program = buildProgram({
    terminal,
    exit(code) {
      exitCode = code
    },
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has said what is wrong; its 0 stands for help and version.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    terminal.note(describeError(error))
    return error instanceof CommandError ? exitCodeFor(error.code) : exitCodeFor(codeOf(error))
  }
}

/** Resolves when what was written has gone: a pipe takes 64 KiB at a time. */
function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}

const exitCode = await main(process.argv.slice(2))
await Promise.all([drained(process.stdout), drained(process.stderr)])
// Not `process.exitCode`: a module's or library's open handle must not keep a finished command alive.
process.exit(exitCode)
