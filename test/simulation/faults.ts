/** The faults of a plan, carried out. Spec: simulation.md §4-6. */
import { stream } from '../../src/runtime/ports/index.ts'
import type { Cluster } from './cluster.ts'
import type { SimulatedHost } from './host.ts'
import type { Fault } from './plan.ts'

/** Lets a fault begin; what it returns ends it. A fault that finds nothing to strike does nothing. */
export function begin(cluster: Cluster, fault: Fault): () => void {
  const { broker, hosts } = cluster
  if (fault.type === 'broker') {
    broker.disconnect()
    return () => broker.reconnect()
  }
  if (fault.type === 'cut') {
    const cut = broker.partition(fault.from, fault.to, { oneWay: true })
    return () => cut.remove()
  }
  const host = hosts.get(fault.node)
  // A shrunken plan may have lost the host.
  if (host === undefined) return nothing
  switch (fault.type) {
    case 'kill':
    case 'crash':
      return end(host, fault.type)
    case 'pause':
      host.clock.pause()
      return () => host.clock.resume()
    case 'isolate': {
      const isolation = broker.isolate(fault.node)
      return () => isolation.remove()
    }
    case 'disconnect':
      broker.disconnect(fault.node)
      return () => broker.reconnect(fault.node)
    case 'jump':
      host.clock.jump(fault.at % 2 === 0 ? 3_600_000 : -3_600_000)
      return nothing
    case 'storage':
      for (const path of ['/m/log', '/a/meta']) host.storage.failNextCommit(path)
      return nothing
    case 'signal':
      signalSome(cluster, host, fault.at)
      return nothing
  }
}

const nothing = () => {}

function end(host: SimulatedHost, how: 'kill' | 'crash'): () => void {
  host[how]()
  return () => {
    if (!host.isUp) host.start()
  }
}

/** Somebody on the host, or its kernel for want of memory, kills one of the tasks. */
function signalSome({ plan }: Cluster, host: SimulatedHost, at: number): void {
  const running = host.processes.running()
  if (running.length === 0) return
  const chosen = running[stream(plan.seed, 'signal', at).int(running.length)]
  if (chosen !== undefined) host.processes.kill(chosen.pid, 'SIGKILL', true)
}
