/** `meseta completion`: what shells need to complete command lines. */
import { command } from '../command.ts'
import { completionScript, shells, wordsOf } from '../completion.ts'
import { usage } from '../errors.ts'

export const completionCommand = command({
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
  async run({ operands, terminal, program }) {
    const shell = shells.find((each) => each === operands[0])
    if (shell === undefined) {
      throw usage(`there is no completion for ${operands[0]}`, `Known: ${shells.join(', ')}.`)
    }
    terminal.out(completionScript(shell, wordsOf(program)))
  },
})
