/** Completion scripts, made from the program itself. Pure. */
import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

/** Path of a command (`task ls`; the program itself is empty) -> the words that may follow. */
export type Words = ReadonlyMap<string, readonly string[]>

/** The words of a program: subcommands, then options. */
export function wordsOf(program: Command): Words {
  const words = new Map<string, readonly string[]>()
  const visit = (command: Command, path: string) => {
    const options = command.options
      .filter(({ hidden }) => !hidden)
      .flatMap(({ long }) => (long ? [long] : []))
    words.set(path, [...command.commands.map((each) => each.name()), ...options, '--help'])
    for (const each of command.commands)
      visit(each, path === '' ? each.name() : `${path} ${each.name()}`)
  }
  visit(program, '')
  return words
}

/** A script that the shell reads. Words hold only letters, digits and dashes. */
export function completionScript(shell: Shell, words: Words): string {
  if (shell === 'fish') return fish(words)
  const bash = bashScript(words)
  return shell === 'bash' ? bash : `autoload -U +X bashcompinit && bashcompinit\n${bash}`
}

function bashScript(words: Words): string {
  const cases = [...words]
    .map(([path, list]) => `    '${path}') words='${list.join(' ')}' ;;`)
    .join('\n')
  const paths = [...words.keys()].filter((path) => path !== '').map((path) => `'${path}'`)
  return `_meseta() {
  local word path='' words='' current="\${COMP_WORDS[COMP_CWORD]}"
  local known=(${paths.join(' ')})
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    local candidate="\${path:+$path }$word" each
    for each in "\${known[@]}"; do [ "$each" = "$candidate" ] && path="$candidate"; done
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _meseta meseta
`
}

function fish(words: Words): string {
  const lines: string[] = []
  for (const [path, list] of words) {
    const names = path === '' ? [] : path.split(' ')
    const children = list.filter((word) => !word.startsWith('--'))
    const seen = names.map((name) => `__fish_seen_subcommand_from ${name}`)
    const below =
      children.length > 0 ? [`not __fish_seen_subcommand_from ${children.join(' ')}`] : []
    const condition = [...seen, ...below].join('; and ') || 'true'
    const commands = `complete -c meseta -n '${condition}' -f -a '${children.join(' ')}'`
    if (children.length > 0) lines.push(commands)
    for (const word of list.filter((each) => each.startsWith('--'))) {
      lines.push(`complete -c meseta -n '${condition}' -l ${word.slice(2)}`)
    }
  }
  return `${lines.join('\n')}\n`
}
