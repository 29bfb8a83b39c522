/** What an operator can watch of allocation. Spec: allocator.md §12; names of §14, "Metrics". */
import { Durations, measure } from '../../../actors/allocator/metrics.ts'
import { type Books, books } from '../../support/allocation.ts'
import { assert, suite } from '../../support/suite.ts'

const test = suite('allocator metrics')

const timings = () => ({ run: new Durations(), latency: new Durations() })

function gauges(b: Books, taken = timings()): Record<string, number | undefined> {
  const prefix = 'allocator/mesos/'
  return Object.fromEntries(
    measure(b.cluster, taken).map(({ name, value }) => {
      assert.ok(name.startsWith(prefix))
      return [name.slice(prefix.length), value]
    }),
  )
}

// ResourceMetricsUninitialized
test('an empty cluster has nothing, and says so', () => {
  assert.equal(gauges(books()), {
    allocation_runs: 0,
    'resources/cpus/offered_or_allocated': 0,
    'resources/cpus/total': 0,
    'resources/disk/offered_or_allocated': 0,
    'resources/disk/total': 0,
    'resources/mem/offered_or_allocated': 0,
    'resources/mem/total': 0,
  })
})

// ResourceMetrics, DominantShareMetrics, ActiveOfferFiltersMetrics, AllocationRunsMetric
test('what there is, what is held, by whom, and what was declined', () => {
  const b = books()
  b.framework('f', ['eng/dev'])
  b.agent('a', 'cpus:2;mem:1024')
  b.agent('b', 'cpus:6;mem:1024')
  const shares = b.run(['a', 'b'])
  let now = gauges(b)
  assert.is(now['resources/cpus/total'], 8)
  assert.is(now['resources/cpus/offered_or_allocated'], 8)
  assert.is(now['roles/eng/shares/dominant'], 1)
  b.recover(
    shares.filter(({ agent_id }) => agent_id === 'b'),
    60,
  )
  now = gauges(b)
  assert.is(now['resources/cpus/offered_or_allocated'], 2)
  assert.is(now['roles/eng/dev/shares/dominant'], 0.5)
  assert.is(now['offer_filters/roles/eng/dev/active'], 1)
  assert.is(now.allocation_runs, 1)
})

// DominantShareMetricsWithFairnessExclusion
test('excluded resources do not count in shares', () => {
  const b = books({ fairSharingExcludedResourceNames: ['mem'] })
  b.framework('f')
  b.agent('a', 'cpus:1;mem:1024')
  b.agent('b', 'cpus:3')
  b.run(['a'])
  assert.is(gauges(b)['roles/*/shares/dominant'], 0.25)
})

// QuotaMetrics
test('quotas, with what they are charged with', () => {
  const b = books()
  b.quota('q', 'cpus:2', 'cpus:4;mem:512')
  b.framework('f', ['q'])
  b.agent('a', 'cpus:1;mem:64')
  b.run()
  const now = gauges(b)
  assert.is(now['quota/roles/q/resources/cpus/guarantee'], 2)
  assert.is(now['quota/roles/q/resources/cpus/limit'], 4)
  assert.is(now['quota/roles/q/resources/cpus/consumed'], 1)
  assert.is(now['quota/roles/q/resources/mem/guarantee'], undefined)
  assert.is(now['quota/roles/q/resources/mem/consumed'], 64)
})

// AllocationRunTimerMetrics, AllocationRunLatencyMetrics
test('durations of the last runs, with their percentiles', () => {
  const taken = timings()
  for (let ms = 1; ms <= 2000; ms++) taken.run.add(ms)
  taken.latency.add(7)
  const now = gauges(books(), taken)
  assert.is(now.allocation_run_ms, 2000)
  assert.is(now['allocation_run_ms/count'], 2000)
  assert.is(now['allocation_run_ms/max'], 2000)
  assert.is(now['allocation_run_ms/p50'], 977 + 511, 'of the last 1024')
  assert.is(now['allocation_run_latency_ms/p99'], 7)
})

test.run()
