import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { LatencyMetrics } from './latencyMetrics.ts'

it('counts messages by type, and commits, in seconds from microseconds to a task’s clock', async () => {
  const latencies = new LatencyMetrics()
  const registry = new Registry()
  latencies.registerIn(registry)
  latencies.messageTook('GetTip', 0.000_08)
  latencies.messageTook('GetTip', 0.3)
  latencies.messageTook('unknown', 40)
  latencies.commitTook(0.002)
  const samples = new Map<string, number>()
  for (const [, name, value] of (await registry.metrics()).matchAll(/^(bletchley_\S+) (\S+)$/gm)) {
    samples.set(name!, Number(value))
  }
  /** How many took no longer than each edge. */
  const buckets = (name: string, labels: string) =>
    [...samples].flatMap(([key, count]) => {
      const edge = key.startsWith(`${name}_bucket{le="`) && key.endsWith(`"${labels}}`) && /le="([^"]+)"/.exec(key)?.[1]
      return edge ? [`${edge}:${count}`] : []
    })
  const message = 'bletchley_message_duration_seconds'
  expect(buckets(message, ',type="GetTip"')).toEqual([
    ...['0.00005:0', '0.0001:1', '0.00025:1', '0.0005:1', '0.001:1', '0.0025:1', '0.005:1', '0.01:1', '0.025:1'],
    ...['0.05:1', '0.1:1', '0.25:1', '0.5:2', '1:2', '2.5:2', '5:2', '10:2', '30:2', '+Inf:2'],
  ])
  expect(buckets(message, ',type="unknown"').slice(-2)).toEqual(['30:0', '+Inf:1'])
  expect(buckets('bletchley_commit_duration_seconds', '')).toEqual([
    ...['0.00025:0', '0.0005:0', '0.001:0', '0.0025:1', '0.005:1', '0.01:1', '0.025:1', '0.05:1', '0.1:1', '0.25:1'],
    ...['0.5:1', '1:1', '5:1', '+Inf:1'],
  ])
  expect(samples.get(`${message}_sum{type="GetTip"}`)).toBeCloseTo(0.300_08, 9)
})
