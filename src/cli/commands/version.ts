import { readFileSync } from 'node:fs'
import { command } from '../command.ts'

/** The version of the package, of which this file is part: `1.2.3`. */
export function versionText(): string {
  // From the sources the package is three directories up, from `dist` one more.
  for (const path of ['../../../package.json', '../../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
      if (name === 'meseta') return String(version)
    } catch {
      // Not there: look one further up.
    }
  }
  return 'unknown'
}

/** `meseta version` */
export const versionCommand = command({
  name: 'version',
  summary: 'Print the version of this command and of Node.',
  examples: [['meseta version', 'as in "meseta 1.2.3 (node v22.0.0)"']],
  shared: {},
  own: {},
  async run({ terminal }) {
    terminal.out(`meseta ${versionText()} (node ${process.version})\n`)
  },
})
