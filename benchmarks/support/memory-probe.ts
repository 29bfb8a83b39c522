/**
 * Loaded into a process that a benchmark has started (`--expose-gc --import`): whatever it is asked over
 * the channel, it collects its garbage and tells what is left.
 */
import type { Memory } from './bench-cluster.ts'

process.on('message', () => {
  // The second collection takes what the first one has only found out about.
  for (let i = 0; i < 2; i++) globalThis.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  const memory: Memory = { rssBytes: rss, heapBytes: heapUsed, externalBytes: external }
  process.send?.(memory)
})
// To listen is no reason to live.
process.channel?.unref()
