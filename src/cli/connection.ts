/**
 * The command's connection to a cluster: one NATS connection, operator calls as requests, and their
 * refusals as errors. It is a client like any other (design.md §2).
 */
import { readFileSync } from 'node:fs'
import { decode, encode } from '../../protocol/codec.ts'
import { advice, type ErrorBody } from '../../protocol/errors.ts'
import type { Message, Payload, Reply } from '../../protocol/message.ts'
import { isList } from '../../protocol/operator.ts'
import { clusterNameProblem, type Subjects, subjects } from '../../protocol/subjects.ts'
import { readList } from '../paging/reading.ts'
import { systemClock } from '../runtime/ports/index.ts'
import { systemRandom } from '../runtime/ports/system-random.ts'
import { type Connection, type Transport, TransportError } from '../runtime/ports.ts'
import { Requests } from '../runtime/requests.ts'
import { natsTransport } from '../transport/nats.ts'
import { CommandError, commandError, usage } from './errors.ts'

/** The values of `connectionSettings`. */
export interface ConnectionOptions {
  readonly nats_url: string
  readonly nats_credentials: string
  readonly cluster: string
  readonly request_timeout_ms: number
}

/** A connection to a cluster. */
export interface ClusterClient {
  readonly connection: Connection
  readonly subjects: Subjects
  /**
   * Calls the leading master. Lists are read page by page.
   * @throws CommandError NO_LEADER, TIMEOUT, or what the master refused with
   */
  master<M extends Message>(call: M, fields?: Omit<Payload<M>, 'type'>): Promise<Reply<M>>
  /** Calls an agent by its id, in the same way. @throws CommandError NO_RESPONDERS, TIMEOUT, or its refusal */
  agent<M extends Message>(
    id: string,
    call: M,
    fields?: Omit<Payload<M>, 'type'>,
  ): Promise<Reply<M>>
  /** A request on any subject; the answer decoded. @throws CommandError as above */
  request(subject: string, document: unknown, timeoutMs?: number): Promise<unknown>
  close(): Promise<void>
}

/** The addresses in `--nats`. */
export function serversOf(natsUrl: string): string[] {
  return natsUrl
    .split(',')
    .map((url) => url.trim())
    .filter((url) => url !== '')
}

/** The broker that the settings name. `connectTimeoutMs`: how long `connect` goes on trying. */
export function transportOf(
  { nats_url, nats_credentials }: Pick<ConnectionOptions, 'nats_url' | 'nats_credentials'>,
  connectTimeoutMs = 0,
): Transport {
  const credentials = nats_credentials === '' ? undefined : readCredentials(nats_credentials)
  return natsTransport({
    servers: serversOf(nats_url),
    connectTimeoutMs,
    ...(credentials && { credentials }),
  })
}

function readCredentials(path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw usage(`the credentials file cannot be read: ${(error as Error).message}`)
  }
}

/** @throws CommandError USAGE for a name that no cluster can have */
export function checkCluster(cluster: string): void {
  const problem = clusterNameProblem(cluster)
  if (problem !== undefined) throw usage(`--cluster: ${problem}`)
}

/** Connects. @throws CommandError CONNECTION_FAILED with the reason */
export async function connectCluster(
  options: ConnectionOptions,
  transport: Transport = transportOf(options),
): Promise<ClusterClient> {
  checkCluster(options.cluster)
  const connection = await connect(transport)
  return client(connection, options.cluster, options.request_timeout_ms)
}

async function connect(transport: Transport): Promise<Connection> {
  try {
    return await transport.connect({ name: 'meseta command' })
  } catch (error) {
    if (!(error instanceof TransportError)) throw error
    throw new CommandError('CONNECTION_FAILED', error.message, advice('CONNECTION_FAILED'))
  }
}

function client(connection: Connection, cluster: string, defaultTimeoutMs: number): ClusterClient {
  const names = subjects(cluster)
  const requests = new Requests(connection, systemClock, systemRandom().uuid())

  const request = async (subject: string, document: unknown, timeoutMs = defaultTimeoutMs) => {
    const outcome = await new Promise<Parameters<Parameters<Requests['request']>[3]>[0]>((settle) =>
      requests.request(subject, encode(document), timeoutMs, settle),
    )
    if (!outcome.ok)
      throw transportError(outcome.error.code, outcome.error.message, subject, timeoutMs)
    const decoded = decode(outcome.value)
    if (!decoded.ok)
      throw new CommandError('INVALID_REPLY', `the answer on ${subject}: ${decoded.error}`)
    const { value } = decoded.value
    const refusal = (value as { error?: ErrorBody } | null)?.error
    if (refusal !== undefined) {
      const { code, message, details } = refusal
      throw new CommandError(code, message, advice(code, details))
    }
    return value
  }

  const ask = async <M extends Message>(subject: string, call: M, fields: object) => {
    const document = { type: call.name, ...fields }
    const send = (paging: object) => request(subject, { ...document, ...paging }) as Promise<object>
    return (await (isList(call) ? readList(send) : send({}))) as Reply<M>
  }

  return {
    connection,
    subjects: names,
    request,
    async master<M extends Message>(call: M, fields = {}) {
      try {
        return await ask(names.masterCall, call, fields)
      } catch (error) {
        if (!(error instanceof CommandError) || error.code !== 'NO_RESPONDERS') throw error
        throw commandError('NO_LEADER', { cluster })
      }
    },
    async agent<M extends Message>(id: string, call: M, fields = {}) {
      return ask(names.agentCall(id), call, fields)
    },
    async close() {
      requests.close()
      await connection.close()
    },
  }
}

function transportError(code: string, message: string, subject: string, timeoutMs: number) {
  if (code === 'NO_RESPONDERS' || code === 'TIMEOUT')
    return commandError(code, { subject, timeoutMs })
  return new CommandError(code, message)
}

/** Connects, runs, and closes whatever happens. */
export async function withCluster<T>(
  options: ConnectionOptions,
  run: (client: ClusterClient) => Promise<T>,
): Promise<T> {
  const cluster = await connectCluster(options)
  try {
    return await run(cluster)
  } finally {
    await cluster.close()
  }
}
