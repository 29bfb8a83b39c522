import fc from 'fast-check'
import {
  attributesToV0,
  equalAttributes,
  findAttribute,
  formatAttributes,
  formatResource,
  formatValue,
  parseAttributes,
  parseResources,
  parseValue,
  printResources,
  resources,
  resourcesToV0,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'
import {
  allocated,
  anyScalar,
  collect,
  dynamic,
  fixed,
  must,
  parse,
  ports,
  refused,
  reserved,
  scalar,
  sharedVolume,
  volume,
} from './support.ts'

const values = suite('values as text')

values('the first character and the form of a number decide the type', () => {
  const types: [string, string][] = [
    ['4.5', 'SCALAR'],
    ['1e3', 'SCALAR'],
    ['.5', 'SCALAR'],
    ['[1-3]', 'RANGES'],
    ['{a,b}', 'SET'],
    ['-1', 'TEXT'],
    ['inf', 'TEXT'],
    ['NaN', 'TEXT'],
    ['1e999', 'TEXT'],
    ['0x10', 'TEXT'],
    ['r7', 'TEXT'],
  ]
  for (const [text, type] of types) assert.is(must(parseValue(text)).type, type, text)
})

values('all spaces are dropped, also inside words', () => {
  assert.equal(must(parseValue(' a b ')), { type: 'TEXT', text: { value: 'ab' } })
  assert.equal(must(parseValue('1 0')), { type: 'SCALAR', scalar: { value: 10 } })
})

values('ranges are coalesced at once, but a reversed one is kept for validation to find', () => {
  assert.is(formatValue(must(parseValue('[4-6, 1-3, 8-9]'))), '[1-6, 8-9]')
  assert.equal(must(parseValue('[5-3]')).ranges, { range: [{ begin: 5, end: 3 }] })
  assert.equal(must(parseValue('[]')).ranges, { range: [] })
})

values('malformed values are refused', () => {
  const bad = [
    '',
    '  ',
    '[1-3',
    '1-3]',
    '{a',
    '(a',
    '][',
    '[1-2-3]',
    '[1-2][3-4]',
    '{a}{b}',
    '[a-b]',
  ]
  for (const text of [...bad, '[1.5-2]', '1e-310']) refused(parseValue(text), 'PARSE')
})

values('a bound beyond 2^53 - 1 is refused, not rounded', () => {
  assert.is(must(parseValue('[0-9007199254740991]')).ranges?.range?.[0]?.end, 2 ** 53 - 1)
  refused(parseValue('[0-9007199254740992]'), 'PARSE')
  refused(parseValue('[0-18446744073709551615]'), 'PARSE')
})

values.run()

const flags = suite('resources as text')

flags('the simple grammar gives names, roles and values', () => {
  const list = must(
    parseResources('cpus:4; mem(eng): 8192 ;ports:[31000-32000,33000-33001];z:{a,b}'),
  )
  assert.equal(list, [
    scalar('cpus', 4),
    reserved(scalar('mem', 8192), fixed('eng')),
    ports([31000, 32000], [33000, 33001]),
    { name: 'z', type: 'SET', set: { item: ['a', 'b'] } },
  ])
})

flags('empty pieces between colons and semicolons do not count', () => {
  assert.equal(must(parseResources(';a::1;;')), must(parseResources('a:1')))
  assert.equal(must(parseResources('')), [])
})

flags('the default role reserves what names none; the star stays unreserved', () => {
  assert.equal(must(parseResources('cpus:1;mem(*):2;disk(ops):3', 'eng')), [
    reserved(scalar('cpus', 1), fixed('eng')),
    scalar('mem', 2),
    reserved(scalar('disk', 3), fixed('ops')),
  ])
})

flags('what is 0 stays in the list and leaves the collection', () => {
  const list = must(parseResources('cpus:0;mem:1'))
  assert.is(list.length, 2)
  assert.equal(resources(list), [scalar('mem', 1)])
})

flags('bad items are refused with their rule', () => {
  refused(parseResources('cpus'), 'PARSE')
  refused(parseResources('a:b:c'), 'PARSE')
  refused(parseResources('cpus(eng:4'), 'PARSE')
  refused(parseResources('cpus(eng)x:4'), 'PARSE')
  refused(parseResources('cpus:-1'), 'R6', '[0].type')
  refused(parseResources('mem:1;cpus:abc'), 'R6', '[1].type')
  refused(parseResources('(eng):4'), 'R1', '[0].name')
  refused(parseResources('ports:[5-3]'), 'R4', '[0].ranges.range[0]')
  refused(parseResources('z:{a,a}'), 'R5')
  refused(parseResources('cpus:0.0001'), 'R3')
  refused(parseResources('cpus(a//b):1'), 'R9')
  refused(parseResources('cpus:1;cpus(eng):{a}'), 'PARSE', '[1].type')
})

flags('a JSON array is taken in any format and upgraded', () => {
  const disk = { source: { type: 'PATH' as const, path: { root: '/d' } } }
  const text = JSON.stringify([
    scalar('cpus', 1),
    scalar('cpus', 2, { role: 'ops' }),
    reserved(scalar('disk', 5, { disk }), fixed('eng')),
  ])
  assert.equal(must(parseResources(` ${text}`, 'def')), [
    reserved(scalar('cpus', 1), fixed('def')),
    reserved(scalar('cpus', 2), fixed('ops')),
    reserved(scalar('disk', 5, { disk }), fixed('eng')),
  ])
})

flags('JSON of the wrong shape is refused with the place', () => {
  refused(parseResources('[{"name":"cpus"'), 'PARSE')
  refused(
    parseResources('[{"name":"cpus","type":"SCALAR","scalar":{"value":"4"}}]'),
    'PARSE',
    '0.scalar.value',
  )
  const huge =
    '[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":18446744073709551615}]}}]'
  refused(parseResources(huge), 'PARSE', '0.ranges.range.0.end')
})

flags(
  'a command line gives neither volumes nor revocable nor dynamically reserved resources',
  () => {
    const line = (resource: object) => parseResources(JSON.stringify([resource]))
    refused(line(volume('v1', 1, 'eng')), 'PARSE', '[0].disk.persistence')
    refused(line(scalar('cpus', 1, { revocable: {} })), 'PARSE', '[0].revocable')
    refused(line(reserved(scalar('cpus', 1), dynamic('eng'))), 'PARSE', '[0].reservations')
  },
)

flags('what is printed is read back', () => {
  const item = fc.stringMatching(/^[a-z]{1,4}$/)
  const role = fc.constantFrom(undefined, 'eng', 'eng/prod')
  const resource = fc
    .oneof(
      anyScalar.map((value) => scalar('cpus', value)),
      fc
        .tuple(fc.nat(99), fc.nat(9))
        .map(([begin, length]) => ports([begin, begin + length], [200, 300])),
      fc
        .uniqueArray(item, { minLength: 1 })
        .map((items) => ({ name: 'z', type: 'SET' as const, set: { item: items } })),
    )
    .chain((plain) => role.map((name) => (name ? reserved(plain, fixed(name)) : plain)))
  fc.assert(
    fc.property(fc.array(resource), (list) => {
      assert.not(printResources(list).startsWith('['))
      assert.equal(must(parseResources(printResources(list))), list)
    }),
  )
})

flags('what the simple grammar cannot say is printed as JSON', () => {
  const list = [scalar('disk', 5, { disk: { source: { type: 'PATH', path: { root: '/d' } } } })]
  assert.equal(must(parseResources(printResources(list))), list)
  const odd = [{ name: 'z', type: 'SET' as const, set: { item: ['a b', 'c,d'] } }]
  assert.equal(must(parseResources(printResources(odd))), odd)
})

flags('the rendering shows everything that identifies a resource', () => {
  assert.is(formatResource(scalar('cpus', 0.1 + 0.2)), 'cpus:0.3')
  assert.is(formatResource(scalar('cpus', 1, { revocable: {} })), 'cpus{REV}:1')
  assert.is(
    formatResource(allocated(sharedVolume('v1', 512, 'eng'), 'eng')),
    'disk(allocated: eng)(reservations: [(DYNAMIC,eng)])[v1:/data]<SHARED>:512',
  )
  const labels = { labels: [{ key: 'k', value: 'v' }, { key: 'x' }] }
  assert.is(
    formatResource(reserved(scalar('mem', 1), fixed('eng'), { ...dynamic('eng/a', 'p'), labels })),
    'mem(reservations: [(STATIC,eng),(DYNAMIC,eng/a,p,{k: v, x})]):1',
  )
  const disk = { source: { type: 'MOUNT' as const, mount: { root: '/mnt/a' } } }
  assert.is(formatResource(scalar('disk', 9, { disk })), 'disk[MOUNT:/mnt/a]:9')
})

flags(
  'v0 JSON has the usual names always, text for ranges, and a name for what is revocable',
  () => {
    const collection = collect(
      scalar('cpus', 1.5),
      reserved(scalar('cpus', 2), fixed('eng')),
      scalar('cpus', 4, { revocable: {} }),
      ports([31000, 31001]),
      { name: 'z', type: 'SET', set: { item: ['a', 'b'] } },
    )
    assert.equal(resourcesToV0(collection), {
      cpus: 3.5,
      gpus: 0,
      mem: 0,
      disk: 0,
      cpus_revocable: 4,
      ports: '[31000-31001]',
      z: '{a, b}',
    })
    assert.is(resourcesToV0(parse('mem:1')).mem, 1)
  },
)

flags.run()

const attributes = suite('attributes')

attributes('types follow the value, and only the first colon counts', () => {
  assert.equal(must(parseAttributes('rack:r 7;url:http://x\nlevel:10;ports:[1-2]')), [
    { name: 'rack', type: 'TEXT', text: { value: 'r7' } },
    { name: 'url', type: 'TEXT', text: { value: 'http://x' } },
    { name: 'level', type: 'SCALAR', scalar: { value: 10 } },
    { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 1, end: 2 }] } },
  ])
})

attributes('an empty key or value and sets are refused', () => {
  for (const text of ['rack', 'rack:', ':r7', 'a:1;b', 'zones:{a,b}']) {
    refused(parseAttributes(text), 'PARSE')
  }
})

attributes('a lookup finds the first of its name and type', () => {
  const list = must(parseAttributes('a:x;a:1;a:2'))
  assert.is(findAttribute(list, 'a', 'SCALAR')?.scalar?.value, 1)
  assert.is(findAttribute(list, 'b', 'SCALAR'), undefined)
})

attributes('equality is mutual containment at the same length', () => {
  const list = (text: string) => must(parseAttributes(text))
  assert.ok(equalAttributes(list('a:1;b:2'), list('b:2;a:1.0001')))
  assert.ok(equalAttributes(list('a:1;a:1;b:2'), list('a:1;b:2;b:2')))
  assert.not(equalAttributes(list('a:1'), list('a:1;a:1')))
  assert.not(equalAttributes(list('a:1'), list('a:2')))
  assert.not(equalAttributes(list('a:x'), list('a:y')))
})

attributes('they are printed as given, and as one object in v0', () => {
  const list = must(parseAttributes('rack:r7;level:1.5;ports:[1000-1500]'))
  assert.is(formatAttributes(list), 'rack:r7;level:1.5;ports:[1000-1500]')
  assert.equal(attributesToV0(list), { rack: 'r7', level: 1.5, ports: '[1000-1500]' })
})

attributes.run()
