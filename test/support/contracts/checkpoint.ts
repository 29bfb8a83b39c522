/** What checkpoints promise on every `Disk` (src/storage/checkpoint.ts). */
import {
  makeDurableDirectory,
  readCheckpoint,
  writeCheckpoint,
} from '../../../src/storage/checkpoint.ts'
import { assert, type Suite } from '../suite.ts'
import { bytes, type DiskSubject, text } from './disk.ts'

export function checkpointContract(test: Suite, make: () => Promise<DiskSubject>): void {
  test('a checkpoint is replaced as a whole and leaves no other file', async () => {
    const { disk, root } = await make()
    const path = `${root}/meta/slave.info`
    await makeDurableDirectory(disk, `${root}/meta`)
    assert.equal(await readCheckpoint(disk, path), { type: 'absent' })
    for (const [value, survives] of [
      ['a rather long first value', 'host-crash'],
      ['short', 'process-crash'],
      ['', 'host-crash'],
    ] as const) {
      await writeCheckpoint(disk, path, bytes(value), survives)
      const read = await readCheckpoint(disk, path)
      assert.is(read.type === 'value' ? text(read.data) : read.type, value)
    }
    assert.equal(await disk.list(`${root}/meta`), ['slave.info'])
  })

  test('the rest of a longer interrupted write does no harm', async () => {
    const { disk, root } = await make()
    await disk.writeFile(`${root}/a.tmp`, new Uint8Array(5000).fill(7))
    await writeCheckpoint(disk, `${root}/a`, bytes('value'))
    const read = await readCheckpoint(disk, `${root}/a`)
    assert.is(read.type === 'value' ? text(read.data) : read.type, 'value')
  })

  test('every truncation and every flipped bit is seen', async () => {
    const { disk, root } = await make()
    const path = `${root}/a`
    await writeCheckpoint(disk, path, bytes('task.info'))
    const whole = await disk.readFile(path)
    for (let length = 0; length < whole.length; length += 1) {
      await disk.writeFile(path, whole.slice(0, length))
      assert.is((await readCheckpoint(disk, path)).type, 'corrupt', `${length} bytes`)
    }
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const damaged = whole.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      await disk.writeFile(path, damaged)
      assert.is((await readCheckpoint(disk, path)).type, 'corrupt', `bit ${bit}`)
    }
  })
}
