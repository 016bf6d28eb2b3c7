import { type ErrorCode, errorKinds } from '@bletchley/protocol'
import { Counter, Gauge, Registry } from 'prom-client'
import type { Observed } from './observed.ts'
import { readinessReasons } from './readiness.ts'

type Labels = Record<string, string>
/** What a metric shows: one number, or one for each set of labels. */
type Reading = number | undefined | Iterable<readonly [Labels, number]>

const errorCodes = Object.keys(errorKinds) as ErrorCode[]

/** Every metric of a core, in the order of `docs/metrics.md`. */
export function createRegistry(observed: Observed): Registry {
  const { observation, folderWatch, engine, stateKeys, userKeys, dispatcher, omissions, traffic, facts } = observed
  const { tallies, tasks, latencies, storeWatch, contracts } = observation
  const registry = new Registry()

  const counter = (name: string, help: string, labelNames: string[], read: () => Reading): void => {
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        for (const [labels, value] of readings(read())) this.inc(labels, value)
      },
    })
  }
  const gauge = (name: string, help: string, labelNames: string[], read: () => Reading): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        // An unlabelled gauge that was reset shows 0; one without a reading shall show nothing.
        if (labelNames.length === 0) this.remove()
        for (const [labels, value] of readings(read())) this.set(labels, value)
      },
    })
  }

  gauge('bletchley_info', 'Always 1; the labels tell what runs.', ['version', 'dialect', 'attestation'], () => [
    [{ version: facts.version, dialect: facts.dialect, attestation: 'simulation' }, 1],
  ])
  gauge('bletchley_ready', '1 if /readyz says that the core is ready, else 0.', [], () =>
    readinessReasons(observed).length === 0 ? 1 : 0,
  )

  counter(
    'bletchley_messages_total',
    'Requests by type and outcome: ok, failed_task, error.',
    ['type', 'outcome'],
    () =>
      [...tallies.byType].flatMap(([type, tally]) =>
        (['ok', 'failed_task', 'error'] as const).map((outcome) => [{ type, outcome }, tally[outcome]] as const),
      ),
  )
  // Every code from the start: a series that begins with its first error never shows an increase, and no alert sees it.
  counter('bletchley_message_errors_total', 'Error replies by code, as in docs/messages.md.', ['code'], () =>
    errorCodes.map((code) => [{ code }, tallies.errors.get(code) ?? 0] as const),
  )
  latencies.registerIn(registry)
  counter('bletchley_request_bytes_total', 'Bytes of request frames.', ['type'], () =>
    [...tallies.byType].map(([type, { requestBytes }]) => [{ type }, requestBytes] as const),
  )
  counter('bletchley_reply_bytes_total', 'Bytes of reply frames.', ['type'], () =>
    [...tallies.byType].map(([type, { replyBytes }]) => [{ type }, replyBytes] as const),
  )
  gauge('bletchley_requests_in_flight', 'Requests that are being answered.', [], () => dispatcher.inFlight)
  counter('bletchley_refused_clients_total', 'Connections that were refused, by reason.', ['reason'], () =>
    byReason(traffic.refusals),
  )
  gauge('bletchley_connections', 'Connections that are open.', [], () => traffic.connections)
  counter(
    'bletchley_ended_connections_total',
    'Connections that were ended for what they took, by reason.',
    ['reason'],
    () => byReason(traffic.endedConnections),
  )
  counter(
    'bletchley_dropped_replies_total',
    'Replies that were dropped, since their peer had left too many unread.',
    [],
    () => traffic.droppedReplies,
  )
  counter(
    'bletchley_omitted_tips_total',
    'Tips that GetAllTips left out, the largest first, since they do not fit into a message.',
    [],
    () => omissions.total,
  )

  const taskTypes = Object.entries(tasks.tallies)
  counter('bletchley_tasks_total', 'Tasks that were run: success, failed, error.', ['type', 'outcome'], () =>
    taskTypes.flatMap(([type, tally]) =>
      (['success', 'failed', 'error'] as const).map((outcome) => [{ type, outcome }, tally[outcome]] as const),
    ),
  )
  counter('bletchley_gas_used_total', 'Gas of the tasks that were run, failed ones included.', ['type'], () =>
    taskTypes.map(([type, { gas }]) => [{ type }, Number(gas)] as const),
  )
  gauge('bletchley_queue_jobs', 'Jobs on contracts that run or wait for their turn.', [], () => engine.jobs)
  gauge('bletchley_queue_longest_jobs', 'Jobs of the contract that has most of them.', [], () => mostJobs(engine.queue))

  gauge('bletchley_threads', 'Compute threads by state: idle, busy, down.', ['state'], () => {
    const states = { idle: 0, busy: 0, down: 0 }
    for (const { alive, running } of engine.pool.threads) states[!alive ? 'down' : running ? 'busy' : 'idle'] += 1
    return Object.entries(states).map(([state, count]) => [{ state }, count] as const)
  })
  counter('bletchley_thread_replacements_total', 'Compute threads that ended and were replaced.', [], () =>
    sum(engine.pool.threads.map(({ replaced }) => replaced)),
  )
  gauge('bletchley_cache_entries', 'Entries of the caches of compiled modules and decrypted states.', ['cache'], () =>
    caches(observed).map(([cache, { entries }]) => [{ cache }, entries] as const),
  )
  gauge('bletchley_cache_bytes', 'Estimated memory of the same caches.', ['cache'], () =>
    caches(observed).map(([cache, { bytes }]) => [{ cache }, bytes] as const),
  )

  counter('bletchley_commits_total', 'Commits to the database: ok, failed.', ['outcome'], () => [
    [{ outcome: 'ok' }, storeWatch.committed],
    [{ outcome: 'failed' }, storeWatch.failed],
  ])
  gauge('bletchley_store_bytes', 'Size of the database file.', [], () => storeWatch.bytes)
  gauge('bletchley_disk_free_bytes', 'Room on the disk of the database.', [], () => storeWatch.freeBytes)
  gauge(
    'bletchley_store_oldest_reader_seconds',
    'How long the oldest reader of the database has been reading; pages that it might read are not used again.',
    [],
    () => folderWatch.oldestReaderSeconds,
  )
  gauge('bletchley_contracts', 'Contracts that have bytecode or a delta.', [], () => contracts.size)
  gauge('bletchley_contracts_without_key', 'Contracts whose state key is not held.', [], () =>
    observation.missingKeys(stateKeys),
  )

  gauge('bletchley_state_keys', 'State keys held in memory.', [], () => stateKeys.size)
  gauge('bletchley_user_keys', 'One-time keys of users that wait for their task.', [], () => userKeys.size)
  gauge(
    'bletchley_ptt_last_timestamp_seconds',
    'When state keys were last taken from the principal; absent before the first time.',
    [],
    () => stateKeys.lastPttAt && stateKeys.lastPttAt / 1000,
  )

  gauge(
    'bletchley_event_loop_delay_seconds',
    '99th percentile of the delay of the main thread, in the last second.',
    [],
    () => observation.eventLoopMs / 1000,
  )
  counter(
    'bletchley_log_lines_dropped_total',
    'Lines of the log that were dropped, since nobody read it or its disk was full.',
    [],
    () => observed.countDroppedLogLines(),
  )
  gauge('bletchley_http_listeners', 'Listeners to /api/events.', [], () => observed.listeners())
  processMetrics(counter, gauge)
  return registry
}

type Define = (name: string, help: string, labelNames: string[], read: () => Reading) => void

function processMetrics(counter: Define, gauge: Define): void {
  counter('process_cpu_seconds_total', 'Processor time of the process, all threads.', [], () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  gauge('process_start_time_seconds', 'When the process started.', [], () => Date.now() / 1000 - process.uptime())
  gauge('process_resident_memory_bytes', 'Resident memory of the process.', [], () => process.memoryUsage.rss())
  gauge('nodejs_heap_used_bytes', 'Heap of the main thread in use.', [], () => process.memoryUsage().heapUsed)
  gauge(
    'nodejs_external_memory_bytes',
    'Memory outside of the heap of the main thread.',
    [],
    () => process.memoryUsage().external,
  )
}

function* readings(reading: Reading): Iterable<readonly [Labels, number]> {
  if (typeof reading === 'number') yield [{}, reading]
  else if (reading !== undefined) yield* reading
}

function byReason(counts: Readonly<Record<string, number>>) {
  return Object.entries(counts).map(([reason, count]) => [{ reason }, count] as const)
}

function caches({ engine: { pool } }: Observed) {
  return Object.entries({ modules: pool.modules, states: pool.states })
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

/** Not `Math.max(...)`: there may be more values than a call may have arguments. */
function mostJobs(queue: Iterable<readonly [address: string, jobs: number]>): number {
  let most = 0
  for (const [, jobs] of queue) most = Math.max(most, jobs)
  return most
}
