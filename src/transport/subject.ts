/**
 * What a subject may look like. Checked on this side of every transport: a broker answers a bad
 * subject by cutting the connection, or reads a space in it as the start of the next argument.
 */
import { TransportError } from '../runtime/ports.ts'

/**
 * Bytes of the longest subject. A server takes control lines of 4,096 bytes; a publish holds two
 * subjects and a number.
 */
export const subjectBytesMax = 1_024

const token = '[^\\s\\x00-\\x1f\\x7f.*>]+'
const literalPattern = new RegExp(`^${token}(?:\\.${token})*$`)
const wildcardPattern = new RegExp(`^(?:(?:${token}|\\*)\\.)*(?:${token}|\\*|>)$`)

/**
 * Refuses what cannot be published to: empty tokens, white space, wildcards, more than 1,024 bytes.
 * @throws TransportError `SUBJECT_INVALID`
 */
export function checkSubject(subject: string): void {
  if (!literalPattern.test(subject)) {
    throw invalid(subject, 'must be tokens joined by dots, without white space and wildcards')
  }
  checkLength(subject)
}

/**
 * Refuses what cannot be subscribed to. As `checkSubject`, but a token may be `*` and the last one `>`.
 * @throws TransportError `SUBJECT_INVALID`
 */
export function checkPattern(pattern: string): void {
  if (!wildcardPattern.test(pattern)) {
    throw invalid(
      pattern,
      'must be tokens joined by dots, each a name or "*", the last perhaps ">"',
    )
  }
  checkLength(pattern)
}

/** @throws TransportError `SUBJECT_INVALID` */
export function checkQueue(queue: string): void {
  if (!literalPattern.test(queue)) throw invalid(queue, 'is no name for a queue group')
  checkLength(queue)
}

function checkLength(subject: string): void {
  // A UTF-16 unit takes 3 bytes at most: the usual short subject needs no count.
  if (subject.length * 3 <= subjectBytesMax) return
  const bytes = Buffer.byteLength(subject)
  if (bytes > subjectBytesMax) {
    throw invalid(`${subject.slice(0, 64)}...`, `has ${bytes} bytes, more than ${subjectBytesMax}`)
  }
}

function invalid(subject: string, why: string): TransportError {
  return new TransportError('SUBJECT_INVALID', `subject ${JSON.stringify(subject)} ${why}`)
}
