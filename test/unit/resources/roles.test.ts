import {
  ancestorsOf,
  isHierarchical,
  isInSubtree,
  isStrictSubrole,
  roleNameError,
} from '../../../src/resources/index.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('roles')

test('names of one or more components are valid, and so is the star', () => {
  for (const role of ['*', 'eng', 'eng/prod', 'a/b/c', 'a-b', 'ä.b', '**']) {
    assert.is(roleNameError(role), undefined, role)
  }
})

test('slashes at the wrong place, special components and white space are refused', () => {
  const bad = ['', '/a', 'a/', 'a//b', '.', 'a/..', 'a/*', '-a', 'a/-b', 'a b', 'a\tb', 'a\nb']
  for (const role of [...bad, 'a\vb', 'a\fb', 'a\rb', 'a\x7fb']) {
    assert.type(roleNameError(role), 'string', JSON.stringify(role))
  }
})

test('a role is below another by components, not by letters', () => {
  assert.ok(isStrictSubrole('eng/prod', 'eng'))
  assert.ok(isStrictSubrole('eng/prod/db', 'eng'))
  assert.not(isStrictSubrole('eng2', 'eng'))
  assert.not(isStrictSubrole('eng', 'eng'))
  assert.not(isStrictSubrole('eng', 'eng/prod'))
  assert.ok(isInSubtree('eng', 'eng'))
  assert.not(isInSubtree('ops', 'eng'))
})

test('ancestors come from the nearest to the root', () => {
  assert.equal(ancestorsOf('a/b/c'), ['a/b', 'a'])
  assert.equal(ancestorsOf('a'), [])
  assert.ok(isHierarchical('a/b'))
  assert.not(isHierarchical('a'))
})

test.run()
