import { stream } from '../../../src/runtime/ports/seeded-random.ts'
import { virtualClock } from '../../../src/runtime/ports/virtual-clock.ts'
import { makeDurableDirectory } from '../../../src/storage/durable-directory.ts'
import { type MemoryDisk, memoryDisk } from '../../../src/storage/memory-disk.ts'
import { bytes, diskContract, refusal, text } from '../../support/contracts/disk.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('memory disk')

async function make(): Promise<{ disk: MemoryDisk; root: string }> {
  const disk = memoryDisk({ clock: virtualClock() })
  await makeDurableDirectory(disk, '/root')
  return { disk, root: '/root' }
}

diskContract(test, make)

/** The distinct results of `run` over many crashes. */
async function outcomes(
  run: (disk: MemoryDisk, crash: () => void) => Promise<string>,
): Promise<Set<string>> {
  const seen = new Set<string>()
  for (let seed = 0; seed < 200; seed += 1) {
    const { disk } = await make()
    seen.add(await run(disk, () => disk.crash(stream(seed, 'crash'))))
  }
  return seen
}

/** A durable file of 512-byte sectors, each filled with one letter. */
async function durableFile(disk: MemoryDisk, letters: string): Promise<void> {
  const file = await disk.open('/root/a', 'write')
  await file.write(0, sectors(letters))
  await file.sync()
  await file.close()
  await disk.syncDirectory('/root')
}

const sectors = (letters: string): Uint8Array =>
  bytes([...letters].map((letter) => letter.repeat(512)).join(''))

/** The letters of a file's sectors; `0` for zeros, `?` for a sector torn inside. */
async function lettersOf(disk: MemoryDisk): Promise<string> {
  const content = text(await disk.readFile('/root/a')).replaceAll('\0', '0')
  const letters = []
  for (let at = 0; at < content.length; at += 512) {
    const sector = content.slice(at, at + 512)
    letters.push(sector === sector[0]!.repeat(512) ? sector[0] : '?')
  }
  return letters.join('')
}

test('what was synced never changes at a crash', async () => {
  const seen = await outcomes(async (disk, crash) => {
    await durableFile(disk, 'abc')
    crash()
    crash()
    return lettersOf(disk)
  })
  assert.equal([...seen], ['abc'])
})

test('unsynced sectors are lost, kept, cut off or torn, each of which happens', async () => {
  const seen = await outcomes(async (disk, crash) => {
    await durableFile(disk, 'abc')
    const file = await disk.open('/root/a', 'write')
    await file.write(0, sectors('XYZ'))
    crash()
    return lettersOf(disk)
  })
  for (const expected of ['abc', 'XYZ', 'Xbc', 'XYc', 'abZ', 'aYc'])
    assert.ok(seen.has(expected), expected)
  for (const each of seen) assert.match(each, /^[aX][bY][cZ]$/)
})

test('an unsynced append can be lost, cut short, or leave zeros', async () => {
  const seen = await outcomes(async (disk, crash) => {
    await durableFile(disk, 'a')
    const file = await disk.open('/root/a', 'append')
    await file.append(sectors('XY'))
    crash()
    return lettersOf(disk)
  })
  for (const expected of ['a', 'aXY', 'aX', 'a0', 'a00', 'a0Y'])
    assert.ok(seen.has(expected), expected)
  for (const each of seen) assert.match(each, /^a[X0]?[Y0]?$/)
})

test('a new file needs its directory synced, its content its own sync', async () => {
  const create = (syncFile: boolean, syncDirectory: boolean) =>
    outcomes(async (disk, crash) => {
      const file = await disk.open('/root/a', 'write')
      await file.write(0, sectors('x'))
      if (syncFile) await file.sync()
      if (syncDirectory) await disk.syncDirectory('/root')
      crash()
      return (await disk.stat('/root/a')) === undefined ? 'absent' : `<${await lettersOf(disk)}>`
    })
  assert.equal([...(await create(true, true))], ['<x>'])
  assert.equal([...(await create(true, false))].sort(), ['<x>', 'absent'])
  assert.equal([...(await create(false, true))].sort(), ['<0>', '<>', '<x>'])
})

test('a rename may come undone until the directory is synced, and is never half done', async () => {
  const rename = (sync: boolean) =>
    outcomes(async (disk, crash) => {
      await durableFile(disk, 'a')
      await disk.rename('/root/a', '/root/b')
      if (sync) await disk.syncDirectory('/root')
      crash()
      return (await disk.list('/root')).join()
    })
  assert.equal([...(await rename(true))], ['b'])
  assert.equal([...(await rename(false))].sort(), ['a', 'b'])
})

test('syncing one directory brings the changes that its own build upon', async () => {
  const seen = await outcomes(async (disk, crash) => {
    await makeDurableDirectory(disk, '/root/from')
    await makeDurableDirectory(disk, '/root/to')
    await disk.writeFile('/root/from/x', bytes(''))
    await disk.rename('/root/from/x', '/root/to/x')
    await disk.syncDirectory('/root/to')
    crash()
    return `${await disk.list('/root/from')}|${await disk.list('/root/to')}`
  })
  assert.equal([...seen], ['|x'])
})

test('an unlinked file may come back until the directory is synced', async () => {
  const seen = await outcomes(async (disk, crash) => {
    await durableFile(disk, 'a')
    await disk.unlink('/root/a')
    crash()
    return (await disk.stat('/root/a')) === undefined ? 'gone' : lettersOf(disk)
  })
  assert.equal([...seen].sort(), ['a', 'gone'])
})

test('after a failed sync the pages may be lost even if a later sync succeeds', async () => {
  const seen = await outcomes(async (disk, crash) => {
    await durableFile(disk, 'a')
    const file = await disk.open('/root/a', 'write')
    await file.write(0, sectors('X'))
    disk.setFaults({ fail: (operation) => (operation === 'sync' ? 'IO' : undefined) })
    assert.is(await refusal(file.sync()), 'IO')
    disk.setFaults({})
    await file.sync()
    assert.is(await lettersOf(disk), 'X', 'the page cache shows the new content')
    crash()
    return lettersOf(disk)
  })
  assert.equal([...seen].sort(), ['X', 'a'])
})

test('pages written again after a failed sync are saved by the next one', async () => {
  const seen = await outcomes(async (disk, crash) => {
    await durableFile(disk, 'a')
    const file = await disk.open('/root/a', 'write')
    await file.write(0, sectors('X'))
    disk.setFaults({ fail: (operation) => (operation === 'sync' ? 'IO' : undefined) })
    assert.is(await refusal(file.sync()), 'IO')
    disk.setFaults({})
    await file.write(0, sectors('Y'))
    await file.sync()
    crash()
    return lettersOf(disk)
  })
  assert.equal([...seen], ['Y'])
})

test('reads and writes fail when told to', async () => {
  const { disk } = await make()
  await durableFile(disk, 'a')
  const file = await disk.open('/root/a', 'write')
  disk.setFaults({
    fail: (operation, path) => (operation === 'read' && path === '/root/a' ? 'IO' : undefined),
  })
  assert.is(await refusal(file.read(0, 1)), 'IO')
  assert.is(await refusal(disk.readFile('/root/a')), 'IO')
  assert.is(await refusal(file.write(0, bytes('x'))), 'none')
  disk.setFaults({ fail: () => 'NO_SPACE' })
  assert.is(await refusal(file.write(0, bytes('x'))), 'NO_SPACE')
})

test('a full disk cuts a write short at the byte, and takes more once space is released', async () => {
  const { disk } = await make()
  disk.setCapacity(10)
  await disk.writeFile('/root/big', bytes('12345678'))
  const file = await disk.open('/root/a', 'append')
  assert.is(await refusal(file.append(bytes('abcde'))), 'NO_SPACE')
  assert.is(text(await disk.readFile('/root/a')), 'ab')
  assert.equal(await disk.space('/root'), { total: 10, free: 0 })
  await disk.unlink('/root/big')
  await file.append(bytes('cde'))
  assert.is(text(await disk.readFile('/root/a')), 'abcde')
  assert.equal(await disk.space('/root'), { total: 10, free: 5 })
})

test('a wiped disk is empty, and all of its room is free', async () => {
  const { disk } = await make()
  await durableFile(disk, 'abc')
  disk.wipe()
  assert.equal(await disk.list('/'), [])
  const { total, free } = await disk.space('/')
  assert.is(free, total)
})

test('silent corruption shows in what is read', async () => {
  const { disk } = await make()
  await durableFile(disk, 'a')
  disk.flipBit('/root/a', 14, 3)
  const [found, written] = [await disk.readFile('/root/a'), sectors('a')]
  assert.is(found[14], written[14]! ^ 8)
  found[14] = written[14]!
  assert.equal(text(found), text(written))
})

test('latency passes on the clock, and changes of a handle keep their order', async () => {
  const clock = virtualClock()
  const disk = memoryDisk({ clock })
  const file = await disk.open('/log', 'append')
  const latencies = [50, 10]
  disk.setFaults({ latencyMs: () => latencies.shift() ?? 0 })
  const done: string[] = []
  void file.append(bytes('slow ')).then(() => done.push(`slow ${clock.monotonic()}`))
  void file.append(bytes('fast')).then(() => done.push(`fast ${clock.monotonic()}`))
  await clock.advance(100)
  assert.equal(done, ['slow 50', 'fast 60'])
  assert.is(text(await disk.readFile('/log')), 'slow fast')
})

test('a call under way at a crash took effect or did not, and never answers', async () => {
  const written = async (crashMs: number): Promise<boolean> => {
    const clock = virtualClock()
    const disk = memoryDisk({ clock })
    const file = await disk.open('/a', 'write')
    await disk.syncDirectory('/')
    disk.setFaults({ latencyMs: (operation) => (operation === 'write' ? 10 : 0) })
    void file.write(0, bytes('x')).then(() => assert.unreachable('the process is dead'))
    await clock.advance(crashMs)
    disk.endProcess()
    await clock.advance(100)
    return (await disk.readFile('/a')).length === 1
  }
  assert.is(await written(4), false)
  assert.is(await written(6), true)
})

/** A file is replaced as a whole: a new one is written, and takes the name of the old one. */
async function replace(disk: MemoryDisk, letters: string, isSynced = true): Promise<void> {
  const file = await disk.open('/root/new', 'write')
  await file.write(0, sectors(letters))
  if (isSynced) await file.sync()
  await file.close()
  await disk.rename('/root/new', '/root/a')
  if (isSynced) await disk.syncDirectory('/root')
}

test('a crash at any moment of a replacement leaves the old file or the new one', async () => {
  const seen = new Set<string>()
  for (let seed = 0; seed < 400; seed += 1) {
    const random = stream(seed, 'replacement')
    const clock = virtualClock()
    const disk = memoryDisk({ clock })
    await makeDurableDirectory(disk, '/root')
    await durableFile(disk, 'abc')
    disk.setFaults({ latencyMs: () => 2 })
    let acknowledged = false
    void replace(disk, 'wxyz').then(() => {
      acknowledged = true
    })
    await clock.advance(random.int(16))
    disk.crash(random)
    disk.setFaults({})
    const found = await lettersOf(disk)
    assert.ok(found === 'wxyz' || (found === 'abc' && !acknowledged), `seed ${seed}: ${found}`)
    seen.add(`${found}, ${acknowledged ? 'acknowledged' : 'under way'}`)
  }
  assert.equal([...seen].sort(), ['abc, under way', 'wxyz, acknowledged', 'wxyz, under way'])
})

test('a replacement that was not synced may be torn, lost or there', async () => {
  const seen = await outcomes(async (disk, crash) => {
    await durableFile(disk, 'abc')
    await replace(disk, 'xyz', false)
    crash()
    return lettersOf(disk)
  })
  for (const expected of ['abc', 'xyz']) assert.ok(seen.has(expected), expected)
  assert.ok(seen.size > 2)
})

test.run()
