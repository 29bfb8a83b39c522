/** Quota documents. Spec: operator-api.md, Appendix F.3. */
import Type, { type Static } from 'typebox'
import { mapOf, named } from '../schema.ts'
import { ValueScalar } from './resources.ts'

const quotaConfig = Type.Object({
  role: Type.String(),
  /** By resource name; a name that is absent is not guaranteed at all. */
  guarantees: Type.Optional(mapOf(ValueScalar)),
  /** By resource name; a name that is absent is not limited. */
  limits: Type.Optional(mapOf(ValueScalar)),
})
/** The quota of one role; without guarantees and limits it is the default, which is none. */
export interface QuotaConfig extends Static<typeof quotaConfig> {}
export const QuotaConfig = named<QuotaConfig>('quota.QuotaConfig', quotaConfig)

const quotaState = Type.Object({
  ...quotaConfig.properties,
  /** Ours: what is charged to the role and those below it, by resource name; offers are not. */
  consumed: Type.Optional(mapOf(ValueScalar)),
})
/** The quota of one role, and how much of it is used. */
export interface QuotaState extends Static<typeof quotaState> {}
export const QuotaState = named<QuotaState>('quota.QuotaState', quotaState)
