/** Where an agent keeps things under its work directory. Spec: agent.md §3, executor-api.md §14. */
import type { Run } from '../executor/index.ts'

export interface RunIds {
  readonly agent: string
  readonly framework: string
  readonly executor: string
  readonly container: string
}

/** The store of checkpoints. */
export function metaPath(workDir: string): string {
  return `${workDir}/meta`
}

export function agentPath(workDir: string, agent: string): string {
  return `${workDir}/slaves/${agent}`
}

export function frameworkPath(workDir: string, { agent, framework }: RunIds): string {
  return `${agentPath(workDir, agent)}/frameworks/${framework}`
}

export function executorPath(workDir: string, ids: RunIds): string {
  return `${frameworkPath(workDir, ids)}/executors/${ids.executor}`
}

/** The record of its process stands beside the sandbox, out of the task's way. */
export function runOf(workDir: string, ids: RunIds): Run {
  const sandbox = `${executorPath(workDir, ids)}/runs/${ids.container}`
  return { sandbox, control: sandbox }
}

/** Symbolic link to the newest sandbox of an executor. */
export function latestPath(workDir: string, ids: RunIds): string {
  return `${executorPath(workDir, ids)}/runs/latest`
}
