/**
 * The resource algebra: what agents have, offers hold and tasks use. Spec: resources.md.
 *
 * Documents from outside go through `checkResources`, `parseResources` or another check, become
 * collections with `resources`, and leave through `toWire`.
 */
export * from './attributes.ts'
export * from './checkpoint.ts'
export * from './checks.ts'
export * from './choose.ts'
export * from './collection.ts'
export * from './defaults.ts'
export * from './domain.ts'
export * from './fault.ts'
export * from './formats.ts'
export * from './launch-checks.ts'
export * from './operation-checks.ts'
export * from './operations.ts'
export * from './quantities.ts'
export * from './ranges.ts'
export * from './reservations.ts'
export * from './resource.ts'
export * from './roles.ts'
export * from './scalar.ts'
export * from './sets.ts'
export * from './text.ts'
export * from './v0.ts'
export * from './validation.ts'
export * from './value-text.ts'
export * from './values.ts'
export * from './wire.ts'
