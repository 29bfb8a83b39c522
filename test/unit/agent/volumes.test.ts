/** Where volumes are, and how tasks see them. Spec: agent.md §3; resources.md §3.3. */

import {
  changeVolumes,
  containerPathProblem,
  linkVolumes,
  placeOf,
  volumeProblem,
} from '../../../actors/agent/volumes.ts'
import type { Resource } from '../../../protocol/v1/resources.ts'
import { virtualClock } from '../../../src/runtime/ports/index.ts'
import { memoryDisk } from '../../../src/storage/memory-disk.ts'
import { volume } from '../../support/operations.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('agent: volumes')

function on(source: NonNullable<Resource['disk']>['source'], role = 'eng'): Resource {
  const made = volume('v1', 10, role)
  return { ...made, disk: { ...made.disk, ...(source && { source }) } }
}

test('a volume lies below the work directory, or on the disk that it was made of', () => {
  const place = (resource: Resource) => placeOf('/w', resource).path
  assert.is(place(on(undefined)), '/w/volumes/roles/eng/v1')
  // No role and id of others lead to the same place: roles hold no blanks.
  assert.is(place(on(undefined, 'eng/web')), '/w/volumes/roles/eng web/v1')
  assert.is(place(on({ type: 'PATH', path: { root: '/ssd' } })), '/ssd/volumes/roles/eng/v1')
  assert.is(place(on({ type: 'PATH', path: { root: 'ssd' } })), '/w/ssd/volumes/roles/eng/v1')
  assert.equal(placeOf('/w', on({ type: 'MOUNT', mount: { root: '/m' } })), {
    path: '/m',
    mounted: true,
  })
})

test('not every disk can hold a directory', () => {
  assert.is(volumeProblem(on(undefined)), undefined)
  assert.is(volumeProblem(on({ type: 'PATH' })), undefined)
  assert.match(volumeProblem(on({ type: 'BLOCK' })) ?? '', 'BLOCK')
  assert.match(volumeProblem(on({ type: 'MOUNT' })) ?? '', 'root')
  const provided = { ...on(undefined), provider_id: { value: 'p' } }
  assert.match(volumeProblem(provided) ?? '', 'provider')
})

test('tasks see volumes below their sandbox only', () => {
  const problem = (path: string) => containerPathProblem([volume('v1', 10, 'eng', path)])
  for (const path of ['data', 'a/b', './data', 'a/../b']) assert.is(problem(path), undefined)
  for (const path of ['/data', '..', '../x', 'a/../../x', '.', '', 'a/..']) {
    assert.match(problem(path) ?? '', 'v1', path)
  }
})

test('a mounted file system stays when its volume goes; what is in it does not', async () => {
  const disk = memoryDisk({ clock: virtualClock() })
  await disk.makeDirectory('/m/lost')
  const mounted = placeOf('/w', on({ type: 'MOUNT', mount: { root: '/m' } }))
  const own = placeOf('/w', on(undefined))
  await changeVolumes(disk, { remove: [], make: [mounted, own] })
  assert.is((await disk.stat(own.path))?.kind, 'directory')
  await changeVolumes(disk, { remove: [mounted, own], make: [] })
  assert.equal(await disk.list('/m'), [])
  assert.is(await disk.stat(own.path), undefined)
  // After a crash both are done again.
  await changeVolumes(disk, { remove: [mounted, own], make: [own] })
  await changeVolumes(disk, { remove: [mounted, own], make: [own] })
  assert.is((await disk.stat(own.path))?.kind, 'directory')
})

test('links lead from the sandbox to volumes, and none is made twice', async () => {
  const disk = memoryDisk({ clock: virtualClock() })
  await disk.makeDirectory('/sandbox')
  const list = [volume('v1', 10, 'eng', 'a/b'), volume('v2', 10)]
  await linkVolumes(disk, '/w', '/sandbox', list)
  await linkVolumes(disk, '/w', '/sandbox', list)
  assert.is(await disk.readlink('/sandbox/a/b'), '/w/volumes/roles/eng/v1')
  assert.is(await disk.readlink('/sandbox/data'), '/w/volumes/roles/eng/v2')
})

test.run()
