/**
 * From an operator's options to an agent's arguments: everything that can be wrong before the agent
 * starts is told here, in one sentence. Spec: agent.md §4 (compatibility), resources.md §2.2.
 */
import { resolve } from 'node:path'
import { IsIPv4, IsIPv6 } from 'typebox/format'
import { MesetaError } from '../../protocol/errors.ts'
import type { AgentInfo } from '../../protocol/v1/agent.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  agentResources,
  applyCheckpointed,
  equalAttributes,
  formatAttributes,
  formatFault,
  formatFaultDomain,
  formatResources,
  parseAttributes,
  parseFaultDomain,
  parseResources,
  resources,
  toWire,
} from '../../src/resources/index.ts'
import { DiskError, type Ports, type Store } from '../../src/runtime/index.ts'
import { makeDurableDirectory } from '../../src/storage/durable-directory.ts'
import { openSealed } from '../../src/storage/sealed-store.ts'
import { readIdentity } from './checkpoints.ts'
import { loadEstimator, type ResourceEstimator } from './estimators.ts'
import { readCheckpointed } from './ledger-store.ts'
import type { AgentOptions } from './options.ts'
import { metaPath } from './paths.ts'
import { loadController, type QosController } from './qos.ts'

export interface AgentArgs {
  readonly options: AgentOptions
  /** Without an id: the agent may have one on disk, or is given one by the master. */
  readonly info: AgentInfo
  /** Address of the host. */
  readonly ip: string
  readonly store: Store
  readonly bootId: string
  readonly estimator: ResourceEstimator
  readonly controller: QosController
}

/** @throws MesetaError with the sentence for the operator */
export async function prepareAgent(given: AgentOptions, ports: Ports): Promise<AgentArgs> {
  const options = { ...given, work_dir: resolve(given.work_dir) }
  const info = await describeAgent(options, ports)
  const ip = addressOf(options, ports)
  const plugIns = await loadPlugIns(options)
  const bootId = await ports.host.bootId()
  const store = await openStore(options.work_dir, ports)
  const known = await readIdentity(store)
  const misfit = misfitOf(info, await readCheckpointed(store))
  if (misfit !== undefined) {
    await store.close()
    const agent_id = known.info?.id?.value ?? 'a new agent'
    throw new MesetaError('INCOMPATIBLE_AGENT', { agent_id, difference: misfit })
  }
  const former = known.leaving ? undefined : known.info
  const difference = former && differenceOf(former, info)
  if (former !== undefined && known.boot === bootId && difference !== undefined) {
    await store.close()
    const agent_id = former.id?.value ?? 'a new agent'
    throw new MesetaError('INCOMPATIBLE_AGENT', { agent_id, difference })
  }
  return { options, info, ip, store, bootId, ...plugIns }
}

function addressOf({ ip }: AgentOptions, { host }: Ports): string {
  if (ip === '') return host.ip()
  if (IsIPv4(ip) || IsIPv6(ip)) return ip
  throw new MesetaError('USAGE', { problem: `ip: ${JSON.stringify(ip)} is no IP address` })
}

async function loadPlugIns(options: AgentOptions) {
  const given = parseResources(options.oversubscribed_resources)
  if (!given.ok) {
    const problem = `oversubscribed_resources: ${formatFault(given.error)}`
    throw new MesetaError('USAGE', { problem })
  }
  try {
    return {
      estimator: await loadEstimator(options, resources(given.value)),
      controller: await loadController(options),
    }
  } catch (error) {
    const problem = `resource_estimator, qos_controller: ${(error as Error).message}`
    throw new MesetaError('USAGE', { problem }, { cause: error })
  }
}

async function describeAgent(options: AgentOptions, ports: Ports): Promise<AgentInfo> {
  const given = parseResources(options.resources)
  if (!given.ok)
    throw new MesetaError('USAGE', { problem: `resources: ${formatFault(given.error)}` })
  const attributes = parseAttributes(options.attributes)
  if (!attributes.ok) {
    throw new MesetaError('USAGE', { problem: `attributes: ${formatFault(attributes.error)}` })
  }
  const domain = options.fault_domain === '' ? undefined : parseFaultDomain(options.fault_domain)
  if (domain?.ok === false) {
    throw new MesetaError('USAGE', { problem: `fault_domain: ${formatFault(domain.error)}` })
  }
  const wire = toWire(agentResources(given.value, await detect(options, ports)), 'post')
  if (!wire.ok) throw new MesetaError('USAGE', { problem: formatFault(wire.error) })
  return {
    hostname: options.hostname === '' ? ports.host.hostname : options.hostname,
    resources: wire.value,
    attributes: attributes.value,
    ...(domain !== undefined && { domain: domain.value }),
  }
}

async function detect(options: AgentOptions, { host, disk }: Ports) {
  const mebibyte = 2 ** 20
  try {
    // Whatever is durable in it must not be lost with its own entry.
    await makeDurableDirectory(disk, options.work_dir)
    const { total } = await disk.space(options.work_dir)
    return {
      cpus: host.cpus(),
      memoryMb: host.memory() / mebibyte,
      diskMb: total / mebibyte,
    }
  } catch (error) {
    throw storageFailed(options.work_dir, error)
  }
}

async function openStore(workDir: string, ports: Ports): Promise<Store> {
  try {
    const path = metaPath(workDir)
    return await openSealed(await ports.storage.open(path), path)
  } catch (error) {
    if (error instanceof DiskError && error.code === 'EXISTS') {
      const problem = `another agent uses the work directory ${workDir}`
      throw new MesetaError('USAGE', { problem }, { cause: error })
    }
    throw storageFailed(workDir, error)
  }
}

function storageFailed(path: string, error: unknown): MesetaError {
  const reason = error instanceof Error ? error.message : String(error)
  return new MesetaError('STORAGE_FAILED', { path, reason }, { cause: error })
}

/** What forbids to use resources that were reserved or made volumes before, or undefined. */
function misfitOf(info: AgentInfo, checkpointed: readonly Resource[]): string | undefined {
  const flags = resources(info.resources ?? [])
  const total = applyCheckpointed(flags, resources(checkpointed))
  return total.ok ? undefined : total.error.message
}

/** What forbids going on under the former id (reconfiguration policy `equal`), or undefined. */
export function differenceOf(before: AgentInfo, now: AgentInfo): string | undefined {
  if (before.hostname !== now.hostname) {
    return `its hostname was ${before.hostname} and is ${now.hostname}`
  }
  const [had, has] = [textOf(before.resources), textOf(now.resources)]
  if (had !== has) return `its resources were ${had} and are ${has}`
  const knew = before.attributes ?? []
  const knows = now.attributes ?? []
  if (!equalAttributes(knew, knows)) {
    return `its attributes were '${formatAttributes(knew)}' and are '${formatAttributes(knows)}'`
  }
  const [was, is] = [formatFaultDomain(before.domain), formatFaultDomain(now.domain)]
  if (was !== is) return `its fault domain was '${was}' and is '${is}'`
  return undefined
}

function textOf(list: readonly Resource[] = []): string {
  return formatResources(resources(list))
}
