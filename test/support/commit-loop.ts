/**
 * A program that commits numbered entries to the store at `argv[2]` for ever, several at a time, and
 * prints each number once its commit was acknowledged. Made to be killed.
 */
import { writeSync } from 'node:fs'
import { levelStorage } from '../../src/storage/level-store.ts'

const store = await levelStorage.open(process.argv[2]!)
let next = 0

async function commitOn(): Promise<void> {
  for (;;) {
    const number = next++
    const value = new TextEncoder().encode(`value ${number}`)
    await store.commit([
      { type: 'put', key: `a/${number}`, value },
      { type: 'put', key: `b/${number}`, value },
    ])
    writeSync(1, `${number}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, commitOn))
