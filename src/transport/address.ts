/** Addresses of brokers, as users write them. */

/** What an address says. Other parts than these stay in `address`. */
export interface Address {
  /** Without credentials: `nats://host:4222`. Safe to be shown. */
  readonly address: string
  readonly user?: string
  readonly pass?: string
  readonly token?: string
}

/**
 * Takes the credentials out of an address: `nats://user:password@host` or `nats://token@host`. What is
 * special in a URL is written in percent notation, as `%40` for `@`.
 *
 * @example parseAddress('nats://shop:secret@broker-1') // { address: 'nats://broker-1', user: 'shop', pass: 'secret' }
 */
export function parseAddress(text: string): Address {
  const [, scheme = '', credentials, rest = ''] = /^(\w+:\/\/)?(?:(.*)@)?(.*)$/s.exec(text) ?? []
  const address = `${scheme}${rest}`
  if (credentials === undefined) return { address }
  const colon = credentials.indexOf(':')
  if (colon < 0) return { address, token: decode(credentials) }
  const user = decode(credentials.slice(0, colon))
  return { address, user, pass: decode(credentials.slice(colon + 1)) }
}

/** A `%` that begins no notation stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
