/**
 * Tries a network of its own out, for its test, which starts this program in a new namespace: a host
 * reaches the hub, is cut off, is healed. Prints what it saw as JSON.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { hubAddress, Network } from './network.ts'

/** How long what cannot come is waited for; and what must. */
const silenceMs = 500
const answerMs = 20_000

const network = new Network()
const host = await network.addHost()
const [, , holder] = host.launcher
const server = createServer((socket) => socket.end()).listen(0, hubAddress)
await once(server, 'listening')
const { port } = server.address() as AddressInfo

/** Says from the host whether the hub can be reached, and which namespace it is in. */
function look(patienceMs: number): { readonly seen: string; readonly namespace: string } {
  const script = `
    const say = (seen) => {
      const namespace = require('fs').readlinkSync('/proc/self/ns/net')
      console.log(JSON.stringify({ seen, namespace }))
      process.exit()
    }
    require('net').connect(${port}, '${hubAddress}', () => say('reached')).on('error', () => {})
    setTimeout(() => say('not reached'), ${patienceMs})`
  const [program = '', ...args] = [...host.launcher, process.execPath, '-e', script]
  return JSON.parse(spawnSync(program, args, { encoding: 'utf8' }).stdout)
}

const before = look(answerMs)
host.cut()
const cut = look(silenceMs)
host.heal()
const healed = look(answerMs)
server.close()
await network.close()
process.stdout.write(
  JSON.stringify({
    before: before.seen,
    cut: cut.seen,
    healed: healed.seen,
    namespaces: [readlinkSync('/proc/self/ns/net'), before.namespace],
    pid: Number(holder),
  }),
)
