import { virtualClock } from '../../../src/runtime/ports/virtual-clock.ts'
import { memoryBroker } from '../../../src/transport/memory.ts'
import { type TransportUnderTest, transportContract } from '../../support/contracts/transport.ts'
import { suite } from '../../support/suite.ts'

function inMemory(latencyMs?: () => number): () => TransportUnderTest {
  const clock = virtualClock()
  const broker = memoryBroker({
    clock,
    maxPayload: 65_536,
    ...(latencyMs ? { latencyMs } : {}),
  })
  const transport = broker.transport('node')
  const underTest: TransportUnderTest = {
    connect: (name) => transport.connect({ name }),
    until: (condition) => clock.advanceUntil(condition, 10_000),
    takeAway: async () => broker.disconnect(),
    bringBack: async () => broker.reconnect(),
  }
  return () => underTest
}

const test = suite('in-memory transport')
transportContract(test, inMemory())
test.run()

let turn = 0
const slow = suite('in-memory transport with latency that varies')
transportContract(
  slow,
  inMemory(() => [0, 3, 1, 0, 0, 2.5][turn++ % 6]!),
)
slow.run()
