/**
 * One container: its command started or found again, signalled, and its exit status learnt. While the agent
 * that started it lives, nothing is polled. Everything here
 * records effects through `cx` and tells its outcome in a later turn. Spec: agent.md §4, §6.
 */
import {
  type Context,
  DiskError,
  type Identity,
  type Ports,
  type ProcessHandle,
  parseExit,
  parseIdentity,
  recordSuffixes as suffixes,
} from '../../src/runtime/index.ts'
import { type Program, type Run, spawnOptions } from './run.ts'

/** Exit status as shells say it; undefined if it is not known and never will be. */
export type ExitStatus = number | undefined

export interface Container {
  readonly run: Run
  /** The process that is watched. */
  pid: number | undefined
  /** The command's process group, once it was looked up. */
  group: number | undefined
  ended: boolean
}

export function newContainer(run: Run): Container {
  return { run, pid: undefined, group: undefined, ended: false }
}

export interface ContainerEvents {
  /** The command runs. */
  readonly started: () => void
  /** It has ended, perhaps with a status that is lost, or was not started: then with the reason. Once. */
  readonly ended: (status: ExitStatus, failure?: string) => void
}

/** How long to wait between two looks at a file that a shim is about to write, ms, and how often. */
const retryMs = 20
const retriesMax = 250
const exitRetriesMax = 50

/** Starts the program. */
export function launch(
  container: Container,
  program: Program,
  cx: Context,
  events: ContainerEvents,
): void {
  const { processes } = cx.ports
  cx.job(
    () => processes.spawn(spawnOptions(container.run, program)),
    (outcome) => {
      if (outcome.ok) watch(container, outcome.value, cx, events)
      else end(container, undefined, events, outcome.error.message)
    },
  )
}

/** Finds what a former life of the agent launched, and makes sure that nothing starts any more. */
export function recover(container: Container, cx: Context, events: ContainerEvents): void {
  cx.job(
    () => find(container.run, cx.ports),
    (outcome) => {
      if (!outcome.ok) throw outcome.error
      const found = outcome.value
      if (found === 'NEVER_STARTED') {
        end(container, undefined, events, 'the agent was restarted before it could be started')
      } else if (found === 'LOST') {
        end(container, undefined, events)
      } else if ('status' in found) {
        events.started()
        end(container, found.status, events)
      } else watch(container, found, cx, events)
    },
  )
}

/** Signals the command's process group. A command that is just being started gets it when it is there. */
export function signal(
  container: Container,
  name: 'SIGTERM' | 'SIGKILL',
  cx: Context,
  retries = retriesMax,
): void {
  if (container.ended) return
  const { ports } = cx
  cx.job(
    async () => {
      const group =
        container.group ??
        (await readIdentity(`${container.run.control}${suffixes.pid}`, ports))?.pid
      return { group, hit: group !== undefined && ports.processes.kill(group, name, true) }
    },
    (outcome) => {
      if (!outcome.ok) throw outcome.error
      if (outcome.value.hit) container.group = outcome.value.group
      else if (!container.ended && retries > 0)
        cx.after(`signal ${name}`, retryMs, () => signal(container, name, cx, retries - 1))
    },
  )
}

function watch(
  container: Container,
  handle: ProcessHandle,
  cx: Context,
  events: ContainerEvents,
): void {
  container.pid = handle.pid
  const { ports } = cx
  events.started()
  cx.job(
    async () => {
      const { code } = await handle.exited
      // Started by another: then only its file can tell, which is written in a moment.
      return code ?? statusOf(container.run, ports)
    },
    (outcome) => {
      if (!outcome.ok) throw outcome.error
      end(container, outcome.value, events)
    },
  )
}

function end(
  container: Container,
  status: ExitStatus,
  events: ContainerEvents,
  failure?: string,
): void {
  container.ended = true
  events.ended(status, failure)
}

type Found = ProcessHandle | { readonly status: number } | 'NEVER_STARTED' | 'LOST'

async function find(run: Run, ports: Ports): Promise<Found> {
  const shim = await claim(run, ports)
  if (shim === undefined) return 'NEVER_STARTED'
  const handle = await ports.processes.adopt(shim.pid, shim.startTime)
  if (handle !== undefined) return handle
  const status = await statusOf(run, ports)
  return status === undefined ? 'LOST' : { status }
}

/** That of a command whose watched process is gone. */
async function statusOf(run: Run, ports: Ports): Promise<ExitStatus> {
  const status = await readExit(run, ports)
  if (status !== undefined) return status
  // Its watcher was killed: nobody will ever wait for the command, so it goes too.
  await killCommand(run, ports)
  return undefined
}

/** Makes sure that nothing of a container is alive, nor ever will be, whatever its start has come to. */
export async function destroy(run: Run, ports: Ports): Promise<void> {
  const watched = await claim(run, ports)
  if (watched === undefined) return
  for (let retries = 0; retries < retriesMax; retries++) {
    if (await killCommand(run, ports)) return
    // Without a record of the command yet, whoever is watched has still to write it.
    if ((await ports.processes.adopt(watched.pid, watched.startTime)) === undefined) return
    await pause(ports)
  }
}

/** False if there is no record of the command. */
async function killCommand(run: Run, ports: Ports): Promise<boolean> {
  const command = await readIdentity(`${run.control}${suffixes.pid}`, ports)
  if (command === undefined) return false
  const alive = await ports.processes.adopt(command.pid, command.startTime)
  if (alive !== undefined) ports.processes.kill(command.pid, 'SIGKILL', true)
  return true
}

function pause({ clock }: Ports): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, retryMs))
}

/** Who may start the command: the process whose identity is returned, or nobody any more. */
async function claim(run: Run, ports: Ports): Promise<Identity | undefined> {
  const path = `${run.control}${suffixes.shim}`
  for (let retries = 0; ; retries++) {
    const identity = await readIdentity(path, ports)
    if (identity !== undefined) return identity
    try {
      // A link that leads nowhere: creating it is exclusive, and so is the claim of whoever would start it.
      await ports.disk.symlink('recovered', path)
      return undefined
    } catch (error) {
      if (error instanceof DiskError && error.code === 'NOT_FOUND') return undefined
      if (!(error instanceof DiskError && error.code === 'EXISTS')) throw error
    }
    if ((await ports.disk.stat(path))?.kind === 'symlink' || retries === retriesMax)
      return undefined
    await pause(ports)
  }
}

async function readIdentity(path: string, ports: Ports): Promise<Identity | undefined> {
  return parseIdentity(await readText(path, ports))
}

async function readExit(run: Run, ports: Ports): Promise<ExitStatus> {
  for (let retries = 0; ; retries++) {
    const status = parseExit(await readText(`${run.control}${suffixes.exit}`, ports))
    if (status !== undefined || retries === exitRetriesMax) return status
    await pause(ports)
  }
}

/** Empty if the file is not there. */
async function readText(path: string, ports: Ports): Promise<string> {
  try {
    return new TextDecoder().decode(await ports.disk.readFile(path))
  } catch (error) {
    if (
      error instanceof DiskError &&
      (error.code === 'NOT_FOUND' || error.code === 'NOT_A_DIRECTORY')
    )
      return ''
    throw error
  }
}
