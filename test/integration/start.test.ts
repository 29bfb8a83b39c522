/** `meseta start` where there is no broker: what is wrong with the options is told all the same, at once. */
import { join } from 'node:path'
import { Running } from '../support/meseta.ts'
import { assert, suite } from '../support/suite.ts'
import { temporaryDirectory } from '../support/temp.ts'

const test = suite('start')
const slow = { timeoutMs: 120_000 }

/** Nobody listens on this port. */
const nowhere = { MESETA_NATS_URL: 'nats://127.0.0.1:1' }
const waiting = /waiting for the broker/

/** Runs `meseta start` until it ends, or begins to wait for the broker. */
async function start(module: string, ...options: string[]) {
  const directory = ['--work-dir', join(temporaryDirectory('start'), 'work')]
  const running = new Running(['start', module, ...directory, ...options], nowhere)
  running.child.stderr?.on('data', () => {
    if (waiting.test(running.stderr)) running.child.kill('SIGKILL')
  })
  return running.ended
}

const refused = {
  agent: [
    ['--ip', 'nonsense', /error: USAGE: ip: "nonsense"/],
    ['--resources', 'cpus:lots', /error: USAGE: resources: /],
    ['--attributes', 'rack', /error: USAGE: attributes: .*rack/],
    ['--fault-domain', 'north', /error: USAGE: fault_domain: /],
    ['--oversubscribed-resources', 'cpus', /error: USAGE: oversubscribed_resources: /],
    ['--qos-controller', './nobody.js', /error: USAGE: .*qos_controller: .*nobody/],
    ['--gc-disk-headroom', '2', /error: USAGE: --gc-disk-headroom: /],
  ],
  master: [
    ['--weights', 'batch', /error: USAGE: weights: 'batch'/],
    ['--agent-removal-rate-limit', 'ten', /error: USAGE: agent_removal_rate_limit: 'ten'/],
    ['--recovery-agent-removal-limit', '101%', /error: USAGE: recovery_agent_removal_limit: /],
    ['--min-allocatable-resources', 'cpus', /error: USAGE: min_allocatable_resources: /],
    ['--allocator', './nobody.js', /error: USAGE: allocator policy '\.\/nobody\.js'/],
    ['--rate-limits', '{"limits": 1}', /error: USAGE: .*limits/],
    ['--fault-domain', 'north', /error: USAGE: fault_domain: /],
    ['--replicas', 'm1,m2,m3', /error: USAGE: log: replicas: this node, /],
  ],
} as const

for (const [module, cases] of Object.entries(refused)) {
  test(`a wrong option of the ${module} is told without a broker`, slow, async () => {
    for (const [option, value, sentence] of cases) {
      const { code, stderr } = await start(module, option, value)
      assert.match(stderr, sentence, option)
      assert.is(code, 2, option)
    }
  })

  test(`the ${module} waits for the broker when nothing is wrong`, slow, async () => {
    const { stderr } = await start(module)
    assert.match(stderr, waiting)
  })
}

test.run()
