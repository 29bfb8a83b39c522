/**
 * The catalogue of errors: everything that can go wrong by expectation has one stable code here, a
 * sentence, and what the reader can do about it. Nobody parses messages; codes are for programs.
 * `docs/errors.md` is generated from this. Style guide §5.
 */
import Type, { type Static } from 'typebox'
import { type Err, err } from './result.ts'

/** One kind of error. `{name}` in the message is replaced by the detail of that name. */
interface Entry {
  readonly message: string
  /** What the reader can do. */
  readonly advice: string
}

export const errors = {
  INVALID_MESSAGE: {
    message: '{problem}',
    advice: 'Correct the named field and send the message again; nothing was changed.',
  },
  TOO_LARGE: {
    message: 'The message has {size} bytes; at most {limit} are taken.',
    advice:
      'Split it into several messages, move the bulk into files that tasks fetch, or ask for a list in pages.',
  },
  PAGE_EXPIRED: {
    message: 'The list that this page belongs to is not kept any more.',
    advice: 'Ask for its first page again; each page within 30 seconds of the one before.',
  },
  UNSUPPORTED_CALL: {
    message: 'The call {type} is not supported here.',
    advice: 'Use one of: {supported}.',
  },
  DENIED: {
    message: '{principal} may not {action}.',
    advice: 'Ask an operator for the permission, or use other credentials.',
  },
  RATE_LIMITED: {
    message: 'Too many calls from {sender}: {limit} are waiting already.',
    advice:
      'Wait before the next call, and send several changes in one call where that is possible; an operator may allow more (--rate-limits).',
  },
  NO_LEADER: {
    message: 'No master leads the cluster {cluster}.',
    advice: 'Wait for an election to end, or start masters until a majority of the replicas is up.',
  },
  NOT_LEADING: {
    message: 'This master does not lead (any more).',
    advice: 'Send the call again on the same subject; the leader listens there.',
  },
  NO_RESPONDERS: {
    message: 'Nobody listens on {subject}.',
    advice: 'Check the cluster name and that the component which should answer is running.',
  },
  TIMEOUT: {
    message: 'No answer on {subject} within {timeoutMs} ms.',
    advice: 'The call may or may not have had its effect: look before you repeat it.',
  },
  CONNECTION_FAILED: {
    message: 'Could not connect to the NATS server at {server}.',
    advice: 'Check that the server runs and the address is right; "meseta up" starts one.',
  },
  NOT_FOUND: {
    message: 'There is no {kind} {id}.',
    advice: 'List what there is; ids may be shortened to a prefix that is unique.',
  },
  AMBIGUOUS_ID: {
    message: '{id} may be any of {count} of this kind: {candidates}.',
    advice: 'Give more characters of the id.',
  },
  UNKNOWN_FRAMEWORK: {
    message: 'The framework {framework_id} is not known.',
    advice:
      'Subscribe (again) before any other call; a master that just took over knows nobody yet.',
  },
  NOT_SUBSCRIBED: {
    message: 'The framework {framework_id} is not subscribed.',
    advice: 'Send SUBSCRIBE with this framework id, then repeat the call.',
  },
  FRAMEWORK_REMOVED: {
    message: 'Framework has been removed',
    advice: 'Its tasks were killed. Subscribe without an id to start as a new framework.',
  },
  FRAMEWORK_FAILED_OVER: {
    message: 'Framework failed over',
    advice: 'Another instance subscribed under this id. Stop, or subscribe to take over from it.',
  },
  INVALID_FRAMEWORK: {
    message: '{problem}',
    advice: 'Correct the framework_info and subscribe again.',
  },
  OFFER_STALE: {
    message: 'The offer {offer_id} is not valid (any more): {reason}.',
    advice: 'Wait for new offers; tasks of this call were not launched and may be tried again.',
  },
  INVALID_OFFERS: {
    message: '{problem}',
    advice: 'Accept together only offers of one role on one agent, each once.',
  },
  INVALID_TASK: {
    message: '{problem}',
    advice: 'Correct the task and launch it on a new offer.',
  },
  NOT_AVAILABLE: {
    message: '{problem}',
    advice: 'Ask for less, or free what tasks use or frameworks hold of it, and try again.',
  },
  CONFLICT: {
    message: '{problem}',
    advice: 'Look at what is there now, end what stands in the way or wait for it, and try again.',
  },
  INVALID_RESOURCES: {
    message: '{problem}',
    advice: 'Write resources as in cpus:2;mem:1024;ports:[31000-32000].',
  },
  UNKNOWN_AGENT: {
    message: 'The agent {agent_id} is not registered.',
    advice: 'It may be restarting or unreachable; look at the list of agents.',
  },
  AGENT_DISCONNECTED: {
    message: 'The agent {agent_id} is disconnected.',
    advice: 'Wait until it registers again; what must reach it is sent then.',
  },
  NOT_ACCEPTED: {
    message: 'The registration was refused: {reason}.',
    advice: 'Remove the cause that is named; an agent marked gone needs a new work directory.',
  },
  OLD_COPY: {
    message:
      'The work directory of the agent {agent_id} is an older copy: its disk_age is {disk_age}, and was {known}.',
    advice:
      'What it says of tasks, reservations and volumes is no longer so. Start the agent with an empty work directory, as a new one; mark the former one gone.',
  },
  UNKNOWN_EXECUTOR: {
    message: 'The executor {executor_id} of framework {framework_id} is not known here.',
    advice: 'An executor may only speak to the agent that started it; stop.',
  },
  UNKNOWN_TASK: {
    message: 'The task {task_id} is not known.',
    advice: 'It may have ended; reconcile to learn its state.',
  },
  INCOMPATIBLE_AGENT: {
    message: 'The agent cannot go on as {agent_id}: {difference}.',
    advice: 'Start it with the former settings, or with an empty work directory as a new agent.',
  },
  STALE_EPOCH: {
    message: 'The sender led in epoch {epoch}; {current} is known.',
    advice: 'Nothing: a former leader spoke. It steps down by itself.',
  },
  MAILBOX_FULL: {
    message: 'The mailbox of {pid} is full ({limit} messages).',
    advice: 'Send more slowly; look at "meseta actor top" for what keeps it busy.',
  },
  NO_ACTOR: {
    message: 'There is no actor {pid}.',
    advice: 'It has ended or was never started; look at "meseta actor tree".',
  },
  ACTOR_FAILED: {
    message: 'The actor {pid} failed: {reason}.',
    advice: 'Its supervisor restarts it; look at the log for the cause.',
  },
  LAUNCH_FAILED: {
    message: 'The container could not be started: {reason}.',
    advice: 'Check the command, its user and the sandbox; the log of the agent says more.',
  },
  STORAGE_FAILED: {
    message: 'The storage at {path} cannot be used: {reason}.',
    advice:
      'Free or repair the disk and restart; nothing that was not on disk was promised. What is corrupt at every start is of no use any more: begin with an empty directory.',
  },
  MISSING_CAPABILITY: {
    message:
      'The registry may be recovered by masters with the capability {missing} only; this one has {capabilities}.',
    advice:
      'Start masters of the version that wrote it. To go back to this one, have those undo first what needs the capability.',
  },
  LOG_NOT_ELECTED: {
    message: 'The log {log} has no new writer: {reason}.',
    advice: 'Ask again after a random pause; if it lasts, look whether a quorum of replicas votes.',
  },
  LOG_LEASED: {
    message: 'The log {log} is leased to {holder} for another {remaining_ms} ms.',
    advice: 'Ask again after that time; the holder may extend its lease meanwhile.',
  },
  LOG_NOT_WRITER: {
    message: 'The log {log} is not written under epoch {epoch} (any more): {reason}.',
    advice: 'Have yourself elected and read the log to its end: what had no answer may be in it.',
  },
  LOG_POSITION: {
    message: 'Position {position} of the log {log} cannot be used: {reason}.',
    advice: 'Ask for its positions; have the replica catch up if it is behind.',
  },
  LOG_BUSY: {
    message: 'The log {log} has {limit} {what} waiting.',
    advice: 'Wait for answers before sending more.',
  },
  LOG_ENSEMBLE: {
    message: '{node} counts {replicas} replicas and a quorum of {quorum}, this replica does not.',
    advice:
      'Give all replicas of a log the same list and the same quorum; until then they do not vote.',
  },
  USAGE: {
    message: '{problem}',
    advice: 'See --help of the command.',
  },
  INTERNAL: {
    message: 'A fault in Meseta itself: {reason}.',
    advice: 'Please report it with the log around this time.',
  },
} as const satisfies Record<string, Entry>

/** A stable error code. */
export type ErrorCode = keyof typeof errors

/** Values for the placeholders of a message, and anything else worth telling a program. */
export type Details = Readonly<Record<string, unknown>>

/** An error as plain data: what pure code returns and what travels. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly details?: Details
}

/** The error part of a reply. Codes of newer peers are let through. */
export const ErrorBody = Type.Object({
  code: Type.String(),
  message: Type.String(),
  details: Type.Optional(
    Type.Unsafe<Record<string, unknown>>(Type.Object({}, { additionalProperties: true })),
  ),
})
export type ErrorBody = Static<typeof ErrorBody>

/** How a request is answered that was not carried out. */
export const ErrorReply = Type.Object({ error: ErrorBody })
export type ErrorReply = Static<typeof ErrorReply>

/** Longest value of a placeholder: some of them are a stranger's words. */
const detailLengthMax = 500

/**
 * Describes an error of the catalogue.
 * @example failure('OFFER_STALE', { offer_id: 'O1', reason: 'it was rescinded' })
 */
export function failure(code: ErrorCode, details?: Details): Failure {
  const message = render(errors[code].message, details)
  return details ? { code, message, details } : { code, message }
}

/** The same as a failed result. */
export function fail(code: ErrorCode, details?: Details): Err<Failure> {
  return err(failure(code, details))
}

/** The reply document for a failure. */
export function errorReply({ code, message, details }: Failure): ErrorReply {
  return { error: details ? { code, message, details } : { code, message } }
}

/** What the reader of an error can do; empty for a code that is not in the catalogue. */
export function advice(code: string, details?: Details): string {
  return Object.hasOwn(errors, code) ? render(errors[code as ErrorCode].advice, details) : ''
}

/** An error of the catalogue as a throwable, for the edges where a value cannot be returned. */
export class MesetaError extends Error {
  readonly code: ErrorCode
  readonly details: Details

  constructor(code: ErrorCode, details: Details = {}, options?: ErrorOptions) {
    super(render(errors[code].message, details), options)
    this.name = 'MesetaError'
    this.code = code
    this.details = details
  }
}

/** The catalogue as a page of the documentation (Markdown). */
export function errorPage(): string {
  const rows = Object.entries(errors as Record<string, Entry>).map(
    ([code, entry]) => `## ${code}\n\n> ${entry.message}\n\n${entry.advice}\n`,
  )
  const intro = [
    '# Errors',
    '',
    'Every refusal carries one of these codes. A reply with an error is',
    '`{"error": {"code": "...", "message": "...", "details": {...}}}`; the words in braces below are in `details`.',
    'Codes are stable, messages are not: programs look at `code` only.',
    'Generated from `protocol/errors.ts`; `npx tsx docs/generate.ts --write` brings it up to date.',
    '',
  ]
  return `${[...intro, ...rows].join('\n')}`
}

function render(template: string, details: Details = {}): string {
  return template.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) => {
    if (!Object.hasOwn(details, name)) return placeholder
    const value = details[name]
    const text = Array.isArray(value) ? value.join(', ') : String(value)
    return text.length > detailLengthMax ? `${text.slice(0, detailLengthMax)}...` : text
  })
}
