/**
 * Checks, environments and containers within tasks. Pure: each function gives the first broken rule as a
 * sentence that names the place. Spec: scheduler-api.md §6.1, rules 6, 7, 9 and 10.
 */
import type {
  CheckInfo,
  CommandInfo,
  ContainerInfo,
  Environment,
  HealthCheck,
  Volume,
  VolumeSource,
} from '../../protocol/v1/index.ts'

export type Problem = string | undefined

export function checkProblem(check: CheckInfo, place: string): Problem {
  switch (check.type) {
    case 'COMMAND':
      if (check.command === undefined) return `${place}.command: is missing`
      return probeCommandProblem(check.command.command, place) ?? timesProblem(check, place)
    case 'HTTP':
      if (check.http === undefined) return `${place}.http: is missing`
      return pathProblem(check.http.path, `${place}.http.path`) ?? timesProblem(check, place)
    case 'TCP':
      return check.tcp === undefined ? `${place}.tcp: is missing` : timesProblem(check, place)
    default:
      return `${place}.type: must be COMMAND, HTTP or TCP`
  }
}

export function healthCheckProblem(check: HealthCheck, place: string): Problem {
  const times = timesProblem(check, place)
  const grace = check.grace_period_seconds
  const graceProblem =
    grace !== undefined && !(grace >= 0)
      ? `${place}.grace_period_seconds: must not be negative`
      : undefined
  switch (check.type) {
    case 'COMMAND':
      if (check.command === undefined) return `${place}.command: is missing`
      return probeCommandProblem(check.command, place) ?? times ?? graceProblem
    case 'HTTP': {
      if (check.http === undefined) return `${place}.http: is missing`
      const { path, scheme } = check.http
      if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
        return `${place}.http.scheme: must be http or https`
      }
      return pathProblem(path, `${place}.http.path`) ?? times ?? graceProblem
    }
    case 'TCP':
      return check.tcp === undefined ? `${place}.tcp: is missing` : (times ?? graceProblem)
    default:
      return `${place}.type: must be COMMAND, HTTP or TCP`
  }
}

function probeCommandProblem(command: CommandInfo, place: string): Problem {
  if (command.value === undefined) return `${place}.command.value: is missing`
  return environmentProblem(command.environment, `${place}.command.environment`)
}

function pathProblem(path: string | undefined, place: string): Problem {
  return path === undefined || path.startsWith('/') ? undefined : `${place}: must begin with "/"`
}

function timesProblem(
  check: { delay_seconds?: number; interval_seconds?: number; timeout_seconds?: number },
  place: string,
): Problem {
  for (const name of ['delay_seconds', 'interval_seconds', 'timeout_seconds'] as const) {
    const seconds = check[name]
    if (seconds !== undefined && !(seconds >= 0)) return `${place}.${name}: must not be negative`
  }
  return undefined
}

export function environmentProblem(environment: Environment | undefined, place: string): Problem {
  for (const { name, type = 'VALUE', value, secret } of environment?.variables ?? []) {
    const where = `${place}.variables '${name}'`
    if (type === 'UNKNOWN') return `${where}: type must be VALUE or SECRET`
    if (type === 'VALUE') {
      if (value === undefined) return `${where}: must have a value`
      if (secret !== undefined) return `${where}: must not have a secret beside its value`
      continue
    }
    if (secret === undefined) return `${where}: must have a secret`
    if (value !== undefined) return `${where}: must not have a value beside its secret`
    const isReference = secret.type === 'REFERENCE' && secret.reference !== undefined
    const isValue = secret.type === 'VALUE' && secret.value !== undefined
    const both = secret.reference !== undefined && secret.value !== undefined
    if (both || (!isReference && !isValue)) {
      return `${where}: its secret must be a REFERENCE with a reference, or a VALUE with a value`
    }
    if (secret.value?.data.includes(0)) return `${where}: must not hold a NUL byte`
  }
  return undefined
}

export function containerProblem(container: ContainerInfo | undefined, place: string): Problem {
  if (container === undefined) return undefined
  for (const volume of container.volumes ?? []) {
    const problem = volumeProblem(volume, `${place}.volumes '${volume.container_path}'`)
    if (problem !== undefined) return problem
  }
  if (container.type !== 'DOCKER') return undefined
  if (container.docker === undefined) return `${place}.docker: is missing`
  return container.docker.parameters?.some(({ key }) => key === 'name')
    ? `${place}.docker.parameters: must not hold "name"`
    : undefined
}

function volumeProblem({ host_path, image, source }: Volume, place: string): Problem {
  const given = [host_path, image, source].filter((each) => each !== undefined)
  if (given.length !== 1) return `${place}: must have exactly one of host_path, image and source`
  return source === undefined ? undefined : sourceProblem(source, place)
}

const payloads: Readonly<Record<string, keyof VolumeSource>> = {
  DOCKER_VOLUME: 'docker_volume',
  HOST_PATH: 'host_path',
  SANDBOX_PATH: 'sandbox_path',
  SECRET: 'secret',
  CSI_VOLUME: 'csi_volume',
}

function sourceProblem(source: VolumeSource, place: string): Problem {
  const payload = payloads[source.type ?? 'UNKNOWN']
  if (payload === undefined) return `${place}: source.type is missing or unknown`
  if (source[payload] === undefined) return `${place}: source.${payload} is missing`
  if (source.csi_volume !== undefined && source.csi_volume.static_provisioning === undefined) {
    return `${place}: source.csi_volume.static_provisioning is missing`
  }
  return undefined
}
