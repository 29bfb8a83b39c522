/** `meseta leader`: who leads. */
import { GetMaster } from '../../../protocol/operator.ts'
import { command } from '../command.ts'
import { withCluster } from '../connection.ts'
import { renderFacts, renderJson } from '../output.ts'
import { connectionSettings, outputSettings } from '../shared-settings.ts'
import { timestamp } from '../times.ts'

export const leaderCommand = command({
  name: 'leader',
  summary: 'Show which master leads, and since when.',
  about: 'Exits with 4 if none does.',
  examples: [
    ['meseta leader', 'a few lines'],
    ['meseta leader -o name', 'only its id'],
  ],
  shared: { ...connectionSettings, ...outputSettings },
  own: {},
  run: ({ options, terminal }) =>
    withCluster(options, async (client) => {
      const { get_master: master } = await client.master(GetMaster)
      const { master_info: info, elected_time, start_time, epoch, masters } = master
      if (options.output === 'json') return terminal.out(renderJson(master))
      if (options.output === 'name') return terminal.out(`${info?.id ?? ''}\n`)
      terminal.out(
        renderFacts(
          [
            ['leader', info?.id ?? '-'],
            ['host', info?.hostname ?? '-'],
            ['actor', info?.pid ?? '-'],
            ['epoch', epoch === undefined ? '-' : String(epoch)],
            ['masters', masters?.join(', ') ?? '-'],
            ['version', info?.version ?? '-'],
            ['elected', timestamp(elected_time === undefined ? undefined : elected_time * 1000)],
            ['started', timestamp(start_time === undefined ? undefined : start_time * 1000)],
          ],
          terminal,
        ),
      )
    }),
})
