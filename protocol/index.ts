/** What is said on the wire: messages, documents, subjects, codec, errors (design.md §4). */
export * from './codec.ts'
export * from './errors.ts'
export * from './message.ts'
export * from './result.ts'
export * from './schema.ts'
export * from './splice.ts'
export * from './subjects.ts'
export * from './v1/index.ts'
