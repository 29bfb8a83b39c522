import { parseAddress } from '../../../src/transport/address.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('address')

test('an address without credentials stays as it is', () => {
  for (const address of ['nats://host:4222', 'host', 'tls://[::1]:4222', ''])
    assert.equal(parseAddress(address), { address })
})

test('credentials are taken out, whatever stands in them', () => {
  const address = 'nats://host'
  assert.equal(parseAddress('nats://shop:se:cr@t%20@host'), {
    address,
    user: 'shop',
    pass: 'se:cr@t ',
  })
  assert.equal(parseAddress('nats://token@host'), { address, token: 'token' })
  assert.equal(parseAddress('shop:100%@host'), { address: 'host', user: 'shop', pass: '100%' })
})

test.run()
