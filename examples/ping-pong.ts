/**
 * Two nodes that play ping-pong, over a NATS server or, without one, in memory.
 *
 *     npx tsx examples/ping-pong.ts [nats://127.0.0.1:4222]
 */
import Type from 'typebox'
import { message } from '../protocol/index.ts'
import { child, pid, startNode, table } from '../src/runtime/index.ts'
import { systemClock, systemPorts } from '../src/runtime/ports/index.ts'
import { memoryBroker } from '../src/transport/memory.ts'
import { natsTransport } from '../src/transport/nats.ts'

const rounds = 1000
const Ball = message('BALL', 'Hits the ball.', Type.Object({ round: Type.Integer() }))

/** Sends each ball back. By their link both learn of the other's end, or that a ball may be lost. */
const player = table({
  label: 'player',
  messages: [Ball],
  init: ({ opponent, serves }: { opponent: string; serves: boolean }, cx) => {
    const to = pid('player', opponent)
    if (serves) {
      // Both ends of a link are told.
      cx.link(to)
      cx.send(to, Ball, { round: 1 })
    }
    return { to }
  },
  handlers: {
    BALL({ to }, { round }, cx) {
      if (round < rounds) cx.send(to, Ball, { round: round + 1 })
      else {
        console.log(`${round} balls, the last one to ${cx.node}`)
        cx.stop()
      }
    },
  },
  exited(_state, { pid: who, reason }, cx) {
    console.log(`${cx.node}: ${who.split('~')[0]} has left (${reason.kind})`)
    void stop()
  },
})

const [url] = process.argv.slice(2)
const broker = memoryBroker({ clock: systemClock })
const start = (name: string, opponent: string, serves: boolean) => {
  const transport = url ? natsTransport({ servers: [url] }) : broker.transport(name)
  const ports = systemPorts({ transport, log: { level: 'fatal' } })
  const args = { opponent, serves }
  const children = [child({ id: 'player', behaviour: player, args })]
  return startNode({ name, cluster: 'ping-pong', ports, children })
}
// Who serves comes second: the broker tells at once if nobody is there.
const nodes = [await start('left', 'right', false)]
nodes.push(await start('right', 'left', true))
const stop = () => Promise.all(nodes.map((node) => node.stop()))
