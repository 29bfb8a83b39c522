/** What the rules about replicated logs look for in the message log. */
import { learnedTo } from '../../actors/log/replica.ts'
import type { ReplicaState } from '../../actors/log/state.ts'
import type { Append, Elect, PromiseReply, WriteReply } from '../../protocol/log.ts'
import type { Payload, Reply } from '../../protocol/message.ts'
import type { Envelope } from '../../src/runtime/envelope.ts'
import { parsePid } from '../../src/runtime/pid.ts'
import type { Cluster } from './cluster.ts'
import type { SimulatedHost } from './host.ts'
import { type LogId, logPaths, logsOf } from './log-rules.ts'
import type { Watcher } from './message-log.ts'
import { stateOf } from './views.ts'
import { checkAnswer, type Proposal } from './vote-rules.ts'

const writerSuffix = '-writer'

export function logWatchers(cluster: Cluster): Array<[string, Watcher]> {
  const logs = logsOf(cluster)
  return [
    ['PROMISE', proposed],
    ['WRITE', proposed],
    [
      'APPEND',
      (_, { to, body }) => {
        const { epoch, data } = body as Payload<typeof Append>
        const log = logs[logOf(to)]
        log.asked(data)
        return (value) => {
          const { position } = value as Reply<typeof Append>
          log.confirmed(to, epoch, position, data)
        }
      },
    ],
    [
      'ELECT',
      (host, { to }) => {
        const id = logOf(to)
        const log = logs[id]
        const { end } = log
        return (value) => {
          const { position } = value as Reply<typeof Elect>
          const replica = replicaOf(host, id)
          if (replica?.status !== 'VOTING') return
          log.elected(host.name, end, position, learnedTo(replica))
        }
      },
    ],
  ]
}

function proposed(host: SimulatedHost, { to, body }: Envelope) {
  const id = parsePid(to).id as LogId
  const { disks, name } = host
  const { status = 'EMPTY' } = replicaOf(host, id) ?? {}
  return (value: unknown) => {
    if (host.disks !== disks) return
    const contents = host.storage.contents(logPaths[id])
    const reply = value as PromiseReply | WriteReply
    checkAnswer({ replica: name, status, request: body as Proposal, reply, contents })
  }
}

function replicaOf(host: SimulatedHost, id: LogId) {
  return stateOf<ReplicaState>(host, id)?.replica
}

/** The log of a writer. */
function logOf(writer: Envelope['to']): LogId {
  return parsePid(writer).id.slice(0, -writerSuffix.length) as LogId
}
