/**
 * Modules that `meseta start` hosts. Ours and a user's are found and loaded in one way; the command
 * knows no component by import (design.md §2).
 */
import { existsSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { extname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { NodeModule } from '../runtime/index.ts'
import { CommandError, commandError, usage } from './errors.ts'
import { nearest } from './nearest.ts'

/** The components that an operator starts. */
export const builtInModules = ['master', 'agent', 'state'] as const

/** This file is TypeScript in the sources and JavaScript in the package; the components beside it too. */
const extension = extname(fileURLToPath(import.meta.url))
const components = fileURLToPath(new URL('../../actors/', import.meta.url))

/** Files that stand for a directory, in order of preference. */
const indexNames = ['index.js', 'index.mjs', 'index.ts']

/**
 * The file of a module: `agent` is ours, anything else a path (a file, or a directory with an index) or
 * a package that can be resolved from the working directory.
 * @throws CommandError NOT_FOUND
 */
export function findModule(name: string, workingDirectory = process.cwd()): string {
  if ((builtInModules as readonly string[]).includes(name)) {
    return join(components, name, `index${extension}`)
  }
  const path = resolve(workingDirectory, name)
  const file = isFile(path) ? path : indexNames.map((each) => join(path, each)).find(isFile)
  if (file !== undefined) return file
  if (!name.startsWith('.') && !name.startsWith('/')) {
    try {
      return createRequire(join(workingDirectory, 'package.json')).resolve(name)
    } catch {
      // Not a package either.
    }
  }
  const near = nearest(name, builtInModules)
  const hint = near === undefined ? '' : ` Did you mean ${near}?`
  const { message } = commandError('NOT_FOUND', { kind: 'module', id: name })
  throw new CommandError(
    'NOT_FOUND',
    message,
    `Give ${builtInModules.join(', ')}, or the path of a module whose default export is made by nodeModule.${hint}`,
  )
}

/**
 * Loads a module and checks that a node can host it.
 * @throws CommandError NOT_FOUND, USAGE
 */
export async function loadModule(name: string, workingDirectory?: string): Promise<NodeModule> {
  const file = findModule(name, workingDirectory)
  let loaded: { readonly default?: unknown }
  try {
    loaded = await import(pathToFileURL(file).href)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw usage(
        `this Node (${process.version}) does not read TypeScript: ${file}`,
        'Compile the module, use a newer Node, or run the command with NODE_OPTIONS="--import tsx".',
      )
    }
    throw new CommandError(
      'MODULE_FAILED',
      `the module ${file} could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
      'Correct the module; its imports and its top level ran before the error.',
      { cause: error },
    )
  }
  if (!isNodeModule(loaded.default)) {
    throw usage(
      `${file} is no module that a node can host`,
      'Its default export must be made by nodeModule({ name, summary, options, children }).',
    )
  }
  return loaded.default
}

function isNodeModule(value: unknown): value is NodeModule {
  if (typeof value !== 'object' || value === null) return false
  const { name, options, children } = value as Partial<NodeModule>
  return (
    typeof name === 'string' &&
    typeof children === 'function' &&
    typeof (options as { properties?: unknown } | undefined)?.properties === 'object'
  )
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile()
}
