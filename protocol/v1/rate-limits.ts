/** How many calls frameworks may make. Spec: operator-api.md, Appendix F.4. */
import Type, { type Static } from 'typebox'
import { document } from '../message.ts'
import { Double, Uint64 } from '../schema.ts'

const rateLimit = Type.Object({
  principal: Type.String(),
  /** Calls a second of all frameworks of the principal together; absent: as many as they like. */
  qps: Type.Optional(Double),
  /** Calls that may wait for their turn. */
  capacity: Type.Optional(Uint64),
})

const rateLimits = Type.Object({
  limits: Type.Optional(Type.Array(rateLimit)),
  /** Of all frameworks together whose principal is not listed. */
  aggregate_default_qps: Type.Optional(Double),
  aggregate_default_capacity: Type.Optional(Uint64),
})
export interface RateLimits extends Static<typeof rateLimits> {}
export const RateLimits = document('rate_limits', rateLimits)
