/** Log lines of a running node: JSON for machines, readable text for a person at a terminal. */
import { isatty } from 'node:tty'
import { destination, pino, stdSerializers } from 'pino'
import pretty from 'pino-pretty'
import type { Log, LogLevel } from '../ports.ts'

export interface PinoLogOptions {
  /** Lines below it are dropped. Default: `info`. */
  readonly level?: LogLevel
  /** File descriptor. Default: 2, so that standard output belongs to a command's result. */
  readonly fd?: number
  /** Default: true if `fd` is a terminal. */
  readonly pretty?: boolean
  /** Fields of every line, such as the node's name. */
  readonly base?: Readonly<Record<string, unknown>>
}

/**
 * A field named `error` that holds an Error is written with its stack and causes. Lines are written
 * at once: the last ones before a crash are those that matter.
 */
export function pinoLog(options: PinoLogOptions = {}): Log {
  const { level = 'info', fd = 2, base = {} } = options
  const stream =
    (options.pretty ?? isatty(fd))
      ? pretty({ destination: fd, sync: true, ignore: 'pid', translateTime: 'SYS:HH:MM:ss.l' })
      : destination({ fd, sync: true })
  const logger = pino({ level, base, serializers: { error: stdSerializers.errWithCause } }, stream)
  return {
    write(lineLevel, message, fields = {}) {
      logger[lineLevel](fields, message)
    },
  }
}
