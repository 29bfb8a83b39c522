/**
 * What a host's program sees of the network. Deliveries wait while its process stands still. After a power
 * failure the broker takes it for connected until its time-out: what is sent to it meanwhile is lost, and
 * nobody is told that nobody listens. Spec: simulation.md §4 (stale subscriptions), §6.
 */
import type { Clock, Connection, Transport } from '../../src/runtime/ports.ts'
import type { HostClock } from './host-clock.ts'

export interface HostPower {
  isOff: boolean
  /** After how long the broker notices, ms. */
  noticeMs: () => number
}

export function hostTransport(
  transport: Transport,
  truth: Clock,
  clock: HostClock,
  power: HostPower,
  arrived: (subject: string, data: Uint8Array) => Uint8Array,
): Transport {
  return {
    async connect(options) {
      const inner = await transport.connect(options)
      let isDead = false
      /** Does what a program does at its end, unless its host has no power. */
      const orderly = (run: () => void) => {
        if (power.isOff) isDead = true
        else run()
      }
      const connection: Connection = {
        get maxPayload() {
          return inner.maxPayload
        },
        get connected() {
          return inner.connected
        },
        publish: (subject, data, reply) => orderly(() => inner.publish(subject, data, reply)),
        subscribe(subject, handler, queue) {
          const deliver = (delivery: Parameters<typeof handler>[0]) =>
            clock.whenRunning(() => {
              if (isDead) return
              const data = arrived(delivery.subject, delivery.data)
              handler(data === delivery.data ? delivery : { ...delivery, data })
            })
          const subscription = inner.subscribe(subject, deliver, queue)
          return { close: () => orderly(() => subscription.close()) }
        },
        flush: () => inner.flush(),
        onStatus: (listener) =>
          inner.onStatus((status) => clock.whenRunning(() => listener(status))),
        pendingBytes: () => inner.pendingBytes(),
        async close() {
          if (!power.isOff) return inner.close()
          isDead = true
          truth.setTimeout(() => void inner.close(), power.noticeMs())
        },
      }
      return connection
    },
  }
}
