/** The faults of a plan, carried out. Spec: simulation.md §4-6. */
import { stream } from '../../src/runtime/ports/index.ts'
import type { Clock, Random } from '../../src/runtime/ports.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './history.ts'
import type { SimulatedHost } from './host.ts'
import { setAgentBack, setBack } from './old-copies.ts'
import { type Fault, type HostFault, theLeader } from './plan.ts'
import { agentIdOf, agentStore, isServing, leaderOf } from './views.ts'

/** Where masters keep their replicas of the log. */
const logStore = '/m/log'
/** How often a program dies whose host is in a loop: twenty times in a minute. */
const loopMs = 3000
/** Of one in so many of those whose store fails the next read does, and not the next write. */
const unreadableOf = 4
/** What a turn of a slow host takes, ms. */
const slowTurnMs = 50

/** Lets a fault begin; what it returns ends it. A fault that finds nothing to strike does nothing. */
export function begin(cluster: Cluster, fault: Fault): () => void {
  const { broker, air, clock } = cluster
  switch (fault.type) {
    case 'broker':
      broker.disconnect()
      return () => broker.reconnect()
    case 'freeze':
      air.freeze(fault.forMs)
      return nothing
    case 'cut': {
      const cut = () => {
        const { remove } = broker.partition(fault.from, fault.to, { oneWay: true })
        return () => remove()
      }
      return fault.flapMs === undefined ? cut() : flap(clock, fault.flapMs, cut)
    }
    case 'jam':
      air.jam(fault.from, fault.to, fault.forMs)
      return nothing
    case 'route': {
      const route = broker.sever(fault.from, fault.to)
      return () => route.remove()
    }
    case 'server':
      for (const name of fault.clients) broker.disconnect(name)
      return () => {
        for (const name of fault.clients) broker.reconnect(name)
      }
    default:
      return strike(cluster, fault)
  }
}

const nothing = () => {}

function strike(
  cluster: Cluster,
  { type, node, at, forMs, way = 'both' }: Fault & { readonly type: HostFault },
): () => void {
  const { broker, air, clock, plan } = cluster
  const host = node === theLeader ? leaderOf(cluster)?.host : cluster.hosts.get(node)
  // Nobody may lead, and a shrunken plan may have lost the host.
  if (host === undefined) return nothing
  const { name } = host
  const revive = () => host.start()
  const random = () => stream(plan.seed, type, at)
  switch (type) {
    case 'kill':
    case 'crash':
      host[type]()
      return revive
    case 'loop':
      return flap(clock, loopMs, () => {
        host.kill()
        return revive
      })
    case 'wipe':
      cluster.operators.lose(agentIdOf(host))
      host.wipe()
      return revive
    case 'restore': {
      const backup = host.storage.backup()
      return () => {
        host.crash()
        if (cluster.masters.includes(host)) setBack(cluster, host, backup)
        else setAgentBack(cluster, host, backup)
        revive()
      }
    }
    case 'pause':
      host.clock.pause()
      return () => host.clock.resume()
    case 'slow':
      host.clock.slow(slowTurnMs)
      return () => host.clock.slow(0)
    case 'jump':
      host.clock.jump(at % 2 === 0 ? 3_600_000 : -3_600_000)
      return nothing
    case 'isolate': {
      const isolation = broker.isolate(name)
      return () => isolation.remove()
    }
    case 'clog':
      air.clog(name, forMs, way)
      return nothing
    case 'disconnect':
      broker.disconnect(name)
      return () => broker.reconnect(name)
    case 'storage':
      if (at % unreadableOf === 2) return misread(cluster, host, 'failNextRead', random(), revive)
      for (const path of [logStore, agentStore]) host.storage.failNextCommit(path)
      return nothing
    case 'full':
      host.setFull(true)
      return () => host.setFull(false)
    case 'stall':
      host.stall(forMs)
      return nothing
    case 'corrupt':
      return corrupt(cluster, host, random(), revive)
    case 'stale':
      return misread(cluster, host, 'readStale', random(), revive)
    case 'signal':
      signalSome(cluster, host, at)
      return nothing
  }
}

/** Does and undoes something all the time. */
function flap(clock: Clock, everyMs: number, begin: () => () => void): () => void {
  let undo = begin()
  let isOn = true
  const turn = () => {
    if (isOn) undo()
    else undo = begin()
    isOn = !isOn
    timer = clock.setTimeout(turn, everyMs / 2)
  }
  let timer = clock.setTimeout(turn, everyMs / 2)
  return () => {
    clock.clearTimeout(timer)
    if (isOn) undo()
  }
}

/**
 * A replica may find a flipped bit whenever it looks, and goes on. An agent must: it reads all of its store
 * at its start, says so, and never comes up on this disk again.
 */
function corrupt(
  cluster: Cluster,
  host: SimulatedHost,
  random: Random,
  revive: () => void,
): () => void {
  if (cluster.masters.includes(host)) {
    host.storage.flipBit(logStore, random)
    return nothing
  }
  const agentId = agentIdOf(host)
  const { disks } = host
  host.kill()
  const isChanged = host.storage.flipBit(agentStore, random)
  return () => {
    revive()
    if (!isChanged) return
    cluster.operators.repair(host.name, agentId, () => {
      if (isServing(host) && host.disks === disks)
        cluster.trouble ??= new Violation('T4', `${host.name} trusts a store that was changed`)
    })
  }
}

/**
 * A host cannot read its store, or finds there what stood there before, when it starts, and a replica also
 * while it runs: it must not go by that. The rules of the log see a replica that does, `checkStores` an agent.
 */
function misread(
  { masters }: Cluster,
  host: SimulatedHost,
  how: 'failNextRead' | 'readStale',
  random: Random,
  revive: () => void,
): () => void {
  const isReplica = masters.includes(host)
  host.storage[how](isReplica ? logStore : agentStore, random)
  if (isReplica && random.int(2) === 0) return nothing
  host.kill()
  return revive
}

/** Somebody on the host, or its kernel for want of memory, kills one of the tasks. */
function signalSome({ plan }: Cluster, host: SimulatedHost, at: number): void {
  const running = host.processes.running()
  if (running.length === 0) return
  const chosen = running[stream(plan.seed, 'signal', at).int(running.length)]
  if (chosen !== undefined) host.processes.kill(chosen.pid, 'SIGKILL', true)
}
