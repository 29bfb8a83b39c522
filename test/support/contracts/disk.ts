/** What every `Disk` promises (src/runtime/ports.ts, src/storage/disk.ts). */
import { type Disk, DiskError, type DiskErrorCode } from '../../../src/runtime/ports.ts'
import { assert, type Suite } from '../suite.ts'

export interface DiskSubject {
  readonly disk: Disk
  /** An empty directory. */
  readonly root: string
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (data: Uint8Array): string => new TextDecoder().decode(data)

/** The code of the `DiskError` that a call rejects with. */
export async function refusal(call: Promise<unknown>): Promise<DiskErrorCode | 'none'> {
  try {
    await call
    return 'none'
  } catch (error) {
    if (error instanceof DiskError) return error.code
    throw error
  }
}

export function diskContract(test: Suite, make: () => Promise<DiskSubject>): void {
  test('what was written is read back', async () => {
    const { disk, root } = await make()
    const file = await disk.open(`${root}/a`, 'write')
    await file.write(0, bytes('hello world'))
    await file.write(6, bytes('there'))
    await file.sync()
    assert.is(text(await file.read(0, 100)), 'hello there')
    assert.is(text(await file.read(6, 3)), 'the')
    assert.is((await file.read(50, 10)).length, 0)
    assert.is(await file.size(), 11)
    await file.close()
    assert.is(text(await disk.readFile(`${root}/a`)), 'hello there')
  })

  test('a write beyond the end leaves zeros between', async () => {
    const { disk, root } = await make()
    const file = await disk.open(`${root}/a`, 'write')
    await file.write(3, bytes('x'))
    await file.close()
    assert.equal([...(await disk.readFile(`${root}/a`))], [0, 0, 0, 120])
  })

  test('appends made without waiting keep their order, and sync covers them', async () => {
    const { disk, root } = await make()
    const file = await disk.open(`${root}/log`, 'append')
    const expected = Array.from({ length: 100 }, (_, i) => `line ${i}\n`)
    const appends = expected.map((line) => file.append(bytes(line)))
    await file.sync()
    assert.is(text(await file.read(0, 10_000)), expected.join(''))
    await Promise.all(appends)
    await file.close()
  })

  test('opening again keeps the content; append goes to the end', async () => {
    const { disk, root } = await make()
    await disk.writeFile(`${root}/a`, bytes('one'))
    const appending = await disk.open(`${root}/a`, 'append')
    await appending.append(bytes(' two'))
    await appending.close()
    const writing = await disk.open(`${root}/a`, 'write')
    await writing.write(0, bytes('ONE'))
    await writing.close()
    assert.is(text(await disk.readFile(`${root}/a`)), 'ONE two')
  })

  test('truncating shortens, and growing again shows zeros', async () => {
    const { disk, root } = await make()
    const file = await disk.open(`${root}/a`, 'append')
    await file.append(bytes('abcdef'))
    await file.truncate(2)
    assert.is(await file.size(), 2)
    await file.truncate(4)
    assert.equal([...(await file.read(0, 10))], [97, 98, 0, 0])
    await file.append(bytes('z'))
    assert.is(await file.size(), 5)
    await file.close()
  })

  test('a handle does only what it was opened for', async () => {
    const { disk, root } = await make()
    await disk.writeFile(`${root}/a`, bytes('x'))
    const [reading, writing, appending] = await Promise.all([
      disk.open(`${root}/a`, 'read'),
      disk.open(`${root}/a`, 'write'),
      disk.open(`${root}/a`, 'append'),
    ])
    assert.is(await refusal(reading.write(0, bytes('y'))), 'DENIED')
    assert.is(await refusal(reading.truncate(0)), 'DENIED')
    assert.is(await refusal(writing.append(bytes('y'))), 'DENIED')
    assert.is(await refusal(appending.write(0, bytes('y'))), 'DENIED')
    await Promise.all([reading.close(), writing.close(), appending.close()])
    assert.is(await refusal(reading.read(0, 1)), 'IO')
  })

  test('writing a file replaces all of its content', async () => {
    const { disk, root } = await make()
    await disk.writeFile(`${root}/a`, bytes('a long content'))
    await disk.writeFile(`${root}/a`, bytes('short'))
    assert.is(text(await disk.readFile(`${root}/a`)), 'short')
  })

  test('rename replaces its target and keeps handles valid', async () => {
    const { disk, root } = await make()
    await disk.writeFile(`${root}/old`, bytes('old'))
    await disk.writeFile(`${root}/new`, bytes('new'))
    const handle = await disk.open(`${root}/new`, 'read')
    await disk.rename(`${root}/new`, `${root}/old`)
    await disk.syncDirectory(root)
    assert.is(text(await disk.readFile(`${root}/old`)), 'new')
    assert.is(text(await handle.read(0, 9)), 'new')
    assert.equal(await disk.list(root), ['old'])
    await handle.close()
  })

  test('directories are made with their parents, listed in order and removed as trees', async () => {
    const { disk, root } = await make()
    await disk.makeDirectory(`${root}/x/y/z`)
    await disk.makeDirectory(`${root}/x/y/z`)
    for (const name of ['b', 'a', 'c']) await disk.writeFile(`${root}/x/${name}`, bytes(name))
    assert.equal(await disk.list(`${root}/x`), ['a', 'b', 'c', 'y'])
    await disk.removeTree(`${root}/x`)
    await disk.removeTree(`${root}/x`)
    assert.equal(await disk.list(root), [])
  })

  test('symbolic links are followed, but stat and unlink take the link itself', async () => {
    const { disk, root } = await make()
    await disk.makeDirectory(`${root}/S1`)
    await disk.writeFile(`${root}/S1/info`, bytes('agent'))
    await disk.symlink('S1', `${root}/latest`)
    assert.is(await disk.readlink(`${root}/latest`), 'S1')
    assert.is(text(await disk.readFile(`${root}/latest/info`)), 'agent')
    await disk.writeFile(`${root}/latest/new`, bytes('x'))
    assert.equal(await disk.list(`${root}/S1`), ['info', 'new'])
    assert.is((await disk.stat(`${root}/latest`))?.kind, 'symlink')
    await disk.unlink(`${root}/latest`)
    assert.equal(await disk.list(root), ['S1'])
  })

  test('a link to a file that is not there yet is written through', async () => {
    const { disk, root } = await make()
    await disk.symlink(`${root}/target`, `${root}/link`)
    await disk.writeFile(`${root}/link`, bytes('x'))
    assert.is(text(await disk.readFile(`${root}/target`)), 'x')
    assert.is((await disk.stat(`${root}/link`))?.kind, 'symlink')
  })

  test('stat tells kind and size, and nothing for what is not there', async () => {
    const { disk, root } = await make()
    await disk.writeFile(`${root}/a`, bytes('12345'))
    const stat = await disk.stat(`${root}/a`)
    assert.is(stat?.kind, 'file')
    assert.is(stat?.size, 5)
    assert.ok(stat !== undefined && stat.mtimeMs > 0)
    assert.is((await disk.stat(root))?.kind, 'directory')
    assert.is(await disk.stat(`${root}/none`), undefined)
    assert.is(await disk.stat(`${root}/a/below`), undefined)
  })

  test('errors carry a code and the path', async () => {
    const { disk, root } = await make()
    const none = `${root}/none`
    await disk.writeFile(`${root}/file`, bytes('x'))
    await disk.makeDirectory(`${root}/full/sub`)
    await disk.makeDirectory(`${root}/other`)
    assert.is(await refusal(disk.readFile(none)), 'NOT_FOUND')
    assert.is(await refusal(disk.open(none, 'read')), 'NOT_FOUND')
    assert.is(await refusal(disk.open(`${none}/deep`, 'write')), 'NOT_FOUND')
    assert.is(await refusal(disk.unlink(none)), 'NOT_FOUND')
    assert.is(await refusal(disk.rename(none, `${root}/x`)), 'NOT_FOUND')
    assert.is(await refusal(disk.list(none)), 'NOT_FOUND')
    assert.is(await refusal(disk.list(`${root}/file`)), 'NOT_A_DIRECTORY')
    assert.is(await refusal(disk.readFile(`${root}/file/below`)), 'NOT_A_DIRECTORY')
    assert.is(await refusal(disk.makeDirectory(`${root}/file`)), 'EXISTS')
    assert.is(await refusal(disk.makeDirectory(`${root}/file/below`)), 'NOT_A_DIRECTORY')
    assert.is(await refusal(disk.rename(`${root}/other`, `${root}/full`)), 'NOT_EMPTY')
    assert.is(await refusal(disk.symlink('x', `${root}/file`)), 'EXISTS')
    assert.is(await refusal(disk.readlink(`${root}/file`)), 'IO')
    assert.is(await refusal(disk.readFile(root)), 'IO')
    assert.is(await refusal(disk.readFile('relative')), 'NOT_FOUND')
    const error = await disk.readFile(none).catch((reason: DiskError) => reason)
    assert.is((error as DiskError).path, none)
  })

  test('the free space is a part of the total', async () => {
    const { disk, root } = await make()
    const { total, free } = await disk.space(root)
    assert.ok(total > 0 && free > 0 && free <= total)
  })
}
