/** `meseta events`: what happens in the cluster, as it happens. */
import Type from 'typebox'
import { decode } from '../../../protocol/codec.ts'
import { type ClusterEvent, validateClusterEvent } from '../../../protocol/events.ts'
import { toJson } from '../../../protocol/json.ts'
import { command } from '../command.ts'
import { withCluster } from '../connection.ts'
import { connectionSettings, outputSettings } from '../shared-settings.ts'
import { paintState } from '../states.ts'
import type { Terminal } from '../terminal.ts'
import { timestamp } from '../times.ts'

export const eventsCommand = command({
  name: 'events',
  summary: 'Follow what happens in the cluster, until Ctrl-C.',
  about: 'Events are told once, to those who listen: what happened before is not shown.',
  examples: [
    ['meseta events', 'a line each'],
    ['meseta events --kind task -o json', 'the documents of events about tasks, one a line'],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: {
    kind: Type.Enum(['all', 'task', 'agent', 'framework', 'leader'], {
      description: 'only events about these',
      default: 'all',
    }),
    count: Type.Integer({
      description: 'end after so many; 0: never',
      default: 0,
      minimum: 0,
      placeholder: 'N',
    }),
  },
  run: ({ options, terminal }) =>
    withCluster(options, async ({ connection, subjects }) => {
      const { kind, count, output } = options
      let left = count === 0 ? Number.POSITIVE_INFINITY : count
      let enough: () => void = () => {}
      const ended = new Promise<void>((resolve) => {
        enough = resolve
      })
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, enough)
      connection.subscribe(subjects.events(kind === 'all' ? undefined : kind), ({ data }) => {
        if (left <= 0) return
        const decoded = decode(data)
        const event = decoded.ok ? validateClusterEvent(decoded.value.value) : decoded
        if (!event.ok)
          return terminal.note(`an event that cannot be read: ${problemOf(event.error)}`)
        terminal.out(
          `${output === 'json' ? JSON.stringify(toJson(event.value)) : line(event.value, terminal)}\n`,
        )
        left--
        if (left === 0) enough()
      })
      await connection.flush()
      await ended
    }),
})

function problemOf(error: string | { readonly message: string }): string {
  return typeof error === 'string' ? error : error.message
}

function line(event: ClusterEvent, terminal: Terminal): string {
  const { color } = terminal
  const at = event.timestamp === undefined ? Date.now() : event.timestamp * 1000
  return `${color.dim(timestamp(at))}  ${event.type.padEnd(22)}  ${about(event, terminal)}`
}

function about(event: ClusterEvent, terminal: Terminal): string {
  switch (event.type) {
    case 'TASK_ADDED': {
      const { task } = event.task_added
      return `${task.task_id.value}  ${task.state}  on ${task.agent_id.value}`
    }
    case 'TASK_UPDATED': {
      const { status, state } = event.task_updated
      const parts = [
        status.task_id.value,
        paintState(state, terminal),
        status.reason,
        status.message,
      ]
      return parts.filter((part) => part !== undefined && part !== '').join('  ')
    }
    case 'AGENT_ADDED': {
      const { agent_info } = event.agent_added.agent
      return `${agent_info.id?.value ?? ''}  ${agent_info.hostname}`
    }
    case 'AGENT_REMOVED':
      return event.agent_removed.agent_id.value
    case 'AGENT_GONE':
      return event.agent_gone.agent_id.value
    case 'AGENT_DRAINING': {
      const { agent_id, drain_info } = event.agent_draining
      return `${agent_id.value}  ${drain_info.state}`
    }
    case 'AGENT_UNREACHABLE':
      return event.agent_unreachable.agent_id.value
    case 'AGENT_DISCONNECTED':
      return event.agent_disconnected.agent_id.value
    case 'AGENT_REREGISTERED': {
      const { id, hostname } = event.agent_reregistered.agent_info
      return `${id?.value ?? ''}  ${hostname}`
    }
    case 'FRAMEWORK_ADDED':
      return frameworkText(event.framework_added.framework.framework_info)
    case 'FRAMEWORK_UPDATED':
      return frameworkText(event.framework_updated.framework.framework_info)
    case 'FRAMEWORK_DISCONNECTED':
      return event.framework_disconnected.framework_id.value
    case 'FRAMEWORK_REMOVED':
      return frameworkText(event.framework_removed.framework_info)
    case 'LEADER_ELECTED': {
      const { id, hostname } = event.leader_elected.master_info
      return `${id}  ${hostname ?? ''}`
    }
  }
}

function frameworkText({ id, name }: { id?: { value: string }; name: string }): string {
  return `${id?.value ?? ''}  ${name}`
}
