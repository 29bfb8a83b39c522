/**
 * A whole cluster in one process: masters with their replicas of the log, agents and frameworks, each on
 * a simulated host of its own, with one broker between them. Spec: simulation.md §1, §3-6.
 */
import Value from 'typebox/value'
import agentModule, { type AgentOptions } from '../../actors/agent/index.ts'
import masterModule, { type MasterOptions } from '../../actors/master/index.ts'
import { defaultCluster } from '../../protocol/subjects.ts'
import { SCHEDULER_ID } from '../../src/framework/scheduler.ts'
import type { NodeModule } from '../../src/runtime/module.ts'
import { stream, type VirtualClock, virtualClock } from '../../src/runtime/ports/index.ts'
import type { Behaviour } from '../../src/runtime/ports/memory-processes.ts'
import type { Log, LogLevel, Ports, SpawnOptions } from '../../src/runtime/ports.ts'
import { type MemoryBroker, memoryBroker } from '../../src/transport/memory.ts'
import { Air, operatorsHost } from './air.ts'
import { type ExecutorManners, type ExecutorOptions, SimulatedExecutor } from './executor.ts'
import { mannersVariable } from './executors.ts'
import { History } from './history.ts'
import { SimulatedHost } from './host.ts'
import { InstanceHistory } from './instance-rules.ts'
import { Operators } from './operators.ts'
import { settingsOf } from './pace.ts'
import type { AgentPlan, FrameworkPlan, Plan } from './plan.ts'
import { type PostArgs, postman } from './post.ts'
import { Registers } from './registers.ts'
import { type Trace, trace } from './trace.ts'
import { agentIdOf, isServing, orphans, strangers } from './views.ts'
import { Framework, scriptVariable, taskVariable } from './workload.ts'

export interface Cluster {
  readonly plan: Plan
  readonly clock: VirtualClock
  readonly broker: MemoryBroker
  readonly air: Air
  readonly trace: Trace
  readonly history: History
  readonly registers: Registers
  readonly operators: Operators
  readonly masters: readonly SimulatedHost[]
  readonly agents: readonly SimulatedHost[]
  readonly frameworks: ReadonlyArray<{
    readonly host: SimulatedHost
    readonly framework: Framework
  }>
  /** All hosts by name. */
  readonly hosts: ReadonlyMap<string, SimulatedHost>
  /** How often each situation was met. */
  readonly situations: Map<string, number>
  mark(situation: string): void
  /** Has `begun` called when the program of a host has started. */
  onLife(begun: (host: SimulatedHost) => void): void
  /** The first thing that broke a rule where nobody could catch it. */
  trouble: Error | undefined
  /** From now on messages and disks are disturbed as the plan's weather says. */
  disturb(): void
  /** All is calm again, and nothing is cut. */
  heal(): void
}

/** Where masters and agents keep what must survive. */
const masterDirectory = '/m'
const agentDirectory = '/a'

const frameworkSubjects = `${defaultCluster}.framework.`

export function buildCluster(plan: Plan, print?: (line: string) => void): Cluster {
  const clock = virtualClock()
  const settings = settingsOf(plan)
  const happened = trace(() => clock.monotonic(), print)
  const situations = new Map<string, number>()
  const mark = (situation: string) =>
    situations.set(situation, (situations.get(situation) ?? 0) + 1)
  const history = new History(mark, (framework, kind, text) => happened.note(framework, kind, text))
  const air = new Air(plan, clock)
  const broker = memoryBroker({
    clock,
    random: stream(plan.seed, 'queue-groups'),
    pendingBytesMax: plan.pendingBytesMax,
    latencyMs: (from, to) => air.latencyMs(from, to),
  })
  const streams = new InstanceHistory()
  const traceMessages = () =>
    broker.drop(({ from, to, subject, data }) => {
      happened.note(from, 'says', `${subject} to ${to}`, data)
      if (subject.startsWith(frameworkSubjects) && subject.endsWith('.event'))
        reporting(() => streams.said(subject, data))
      return false
    })
  traceMessages()
  const hosts = new Map<string, SimulatedHost>()
  const lives: Array<(host: SimulatedHost) => void> = []
  const post: PostArgs = {
    hosts: () => [...hosts.keys()],
    pauseMs: settings.letterMs,
    report: (violation) => report(violation),
    mark,
  }
  const frameworks: Array<{ host: SimulatedHost; framework: Framework }> = []

  function addHost(
    name: string,
    more: Pick<
      ConstructorParameters<typeof SimulatedHost>[0],
      'program' | 'supervision' | 'connections' | 'offsetMs' | 'speed'
    >,
  ): SimulatedHost {
    const disk = stream(plan.seed, 'disk', name)
    const { program } = more
    const host = new SimulatedHost({
      ...more,
      program: async (ports) => [...(await program(ports)), postman(post)],
      name,
      seed: plan.seed,
      clock,
      broker,
      restartMs: settings.restartMs,
      log: logOf(name),
      commitMs: () => (air.isBad ? disk.next() * plan.weather.commitMs : 0),
      arrived: (subject, data) => air.arrived(name, subject, data),
      diskMs: () => (air.isBad ? disk.next() * plan.weather.diskMs : 0),
      onLife(of) {
        for (const begun of lives) begun(of)
        happened.note(name, 'starts', of.node?.incarnation ?? '')
      },
      onEvent(_, what) {
        happened.note(name, 'fails', what)
        mark(`a program ${what.split(':')[0]}`)
      },
    })
    hosts.set(name, host)
    return host
  }

  function logOf(name: string): Log {
    return {
      write(level: LogLevel, message, fields) {
        if (level === 'trace') return
        const text = `${level} ${message} ${JSON.stringify(fields ?? {})}`
        happened.note(name, 'logs', level === 'error' ? (text.split('\\n')[0] ?? '') : text)
        if (level !== 'debug' || message === 'launches') mark(situationOf(message))
      },
    }
  }

  function agentHost({ name, cpus, mem, offsetMs, speed }: AgentPlan): SimulatedHost {
    const resources = `cpus:${cpus};mem:${mem};disk:10000;ports:[31000-31009]`
    const host = addHost(name, {
      offsetMs,
      speed,
      supervision: agentModule.supervision,
      program: (ports) =>
        childrenOf(
          agentModule,
          { ...settings.agent, work_dir: agentDirectory, resources },
          name,
          ports,
        ),
    })
    const started = (task: string) => reporting(() => history.started(task, name))
    const draw = stream(plan.seed, 'executors', name)
    const heldMs = () => air.heldMs(name)
    const transport = broker.transport(name)
    host.processes.script(
      () => true,
      ({ env }) =>
        mannersVariable in env
          ? executorOf({ env, clock, transport, draw, heldMs, started, mark })
          : behaviourOf(env, started),
    )
    return host
  }

  function addFramework(each: FrameworkPlan): void {
    mark(`habit ${each.habit}`)
    const framework = new Framework(each, {
      seed: plan.seed,
      settings,
      history,
      clock,
      report,
      abandon: (id) => operators.abandon(id),
      mark,
    })
    const instance = (name: string) => {
      const own: SimulatedHost = addHost(name, {
        supervision: { intensity: 0 },
        program: () =>
          framework.program(
            () => clock.setTimeout(() => own.restart(), settings.restartMs),
            (run) => {
              const cell = own.node?.cell(SCHEDULER_ID)
              if (cell !== undefined) own.node?.call(cell, run)
            },
          ),
      })
      return own
    }
    const host = instance(each.name)
    frameworks.push({ host, framework })
    if (each.habit === 'churning') {
      framework.onTurn(() => {
        if (!air.isBad) return
        framework.retire()
        host.restart()
      })
    }
    if (each.habit !== 'failing over') return
    const standby = instance(`${each.name}-b`)
    let takeovers = 0
    framework.onTurn(() => {
      const next = takeovers++ % 2 === 0 ? standby : host
      if (air.isBad) next.restart()
    })
  }

  const report = (error: unknown) => {
    self.trouble ??= error as Error
  }
  /** Runs what may find a broken rule where nobody could catch it. */
  const reporting = (run: () => void) => {
    try {
      run()
    } catch (error) {
      report(error)
    }
  }
  const registers = new Registers(plan, mark)
  const replicas = plan.masters.join(',')
  const connectionsOf = (master: string) => ({
    lanes: masterModule.lanes ?? [],
    near: plan.masters.filter((name) => name !== master),
  })
  const masters = plan.masters.map((name) =>
    addHost(name, {
      supervision: masterModule.supervision,
      ...(plan.lanes && { connections: connectionsOf(name) }),
      program: async (ports) => {
        const given = {
          ...settings.master,
          work_dir: masterDirectory,
          replicas,
          lease_ms: plan.leaseMs,
          allocation_interval_ms: plan.allocationMs,
        }
        return [...(await childrenOf(masterModule, given, name, ports)), ...registers.replica(name)]
      },
    }),
  )
  const agents = plan.agents.map(agentHost)
  for (const each of plan.frameworks) addFramework(each)
  for (const name of registers.clients) addHost(name, { program: () => registers.client(name) })
  const onHost = (name: string, act: (host: SimulatedHost) => void) => {
    const host = hosts.get(name)
    if (host !== undefined) act(host)
  }
  const operators = new Operators({
    clock,
    transport: broker.transport(operatorsHost),
    machines: {
      agentId: (name) => {
        const host = hosts.get(name)
        return host && agentIdOf(host)
      },
      strangers: () => strangers(self),
      orphans: () => orphans(self),
      removed: (id) => history.removed(id),
      isServing: (name) => agents.some((host) => host.name === name && isServing(host)),
      switchOff: (name) => onHost(name, (host) => host.crash()),
      switchOn: (name) => onHost(name, (host) => host.start()),
      replace: (name) =>
        onHost(name, (host) => {
          host.wipe()
          host.start()
        }),
    },
    note(what, answer) {
      happened.note(operatorsHost, 'asks', `${what}: ${answer}`)
      mark(`an operator is answered ${answer}`)
    },
  })

  const self: Cluster = {
    plan,
    clock,
    broker,
    air,
    trace: happened,
    history,
    registers,
    operators,
    masters,
    agents,
    frameworks,
    hosts,
    situations,
    mark,
    onLife(begun) {
      lives.push(begun)
    },
    trouble: undefined,
    disturb() {
      air.isBad = true
      air.disturb(broker)
    },
    heal() {
      air.isBad = false
      broker.heal()
      traceMessages()
    },
  }
  return self
}

function childrenOf(
  // biome-ignore lint/suspicious/noExplicitAny: modules with options of their own
  module: NodeModule<any>,
  given: object,
  node: string,
  ports: Ports,
) {
  const options = Value.Default(module.options, given) as MasterOptions & AgentOptions
  return module.children(options, { ports, cluster: 'meseta', node })
}

/** What a task's command does: see `Framework.#script`. */
function behaviourOf(env: SpawnOptions['env'], started: (task: string) => void): Behaviour {
  started(env[taskVariable] ?? '')
  const [runMs, code, manners, forks = 0] = (env[scriptVariable] ?? '').split(' ')
  const slow = { afterMs: 300, exitCode: 7 }
  const onTerminate = manners === 'slow' ? slow : manners === 'ignore' ? 'ignore' : 'end'
  return {
    runMs: Number(runMs),
    exitCode: Number(code),
    onTerminate,
    // They would never end by themselves.
    forks: Array.from({ length: Number(forks) }, () => ({ onTerminate: 'ignore' })),
  }
}

function executorOf(given: Omit<ExecutorOptions, 'manners' | 'exit'>): Behaviour {
  const manners = given.env[mannersVariable] as ExecutorManners
  return {
    program(exit) {
      const executor = new SimulatedExecutor({ ...given, manners, exit })
      return () => executor.end()
    },
  }
}

/** A log message without what differs from case to case. */
function situationOf(message: string): string {
  return message
    .replaceAll(/(?:master|agent|framework)-\d+\S*|\d+(?:\.\d+)?|\/\S+/g, '…')
    .slice(0, 70)
}
