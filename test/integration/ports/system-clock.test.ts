import { systemClock } from '../../../src/runtime/ports/system-clock.ts'
import { clockContract } from '../../support/contracts/clock.ts'
import { suite } from '../../support/suite.ts'

const test = suite('system clock')

clockContract(test, () => ({
  clock: systemClock,
  pass: (ms) => new Promise((resolve) => systemClock.setTimeout(resolve, ms)),
}))

test.run()
