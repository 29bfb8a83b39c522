/** `meseta completion`: what shells need to complete command lines. */
import { command } from '../command.ts'
import { completionScript, shells, type Words } from '../completion.ts'
import { usage } from '../errors.ts'

/** The command; `words` gives the commands and options of the whole program. */
export function completionCommand(words: () => Words) {
  return command({
    name: 'completion',
    operands: '<shell>',
    summary: 'Print a completion script for bash, zsh or fish.',
    examples: [
      ['source <(meseta completion bash)', 'in ~/.bashrc'],
      ['source <(meseta completion zsh)', 'in ~/.zshrc, after compinit'],
      ['meseta completion fish > ~/.config/fish/completions/meseta.fish', 'once'],
    ],
    shared: {},
    own: {},
    async run({ operands, terminal }) {
      const shell = shells.find((each) => each === operands[0])
      if (shell === undefined) {
        throw usage(`there is no completion for ${operands[0]}`, `Known: ${shells.join(', ')}.`)
      }
      terminal.out(completionScript(shell, words()))
    },
  })
}
