import type { History, Status } from '../api.ts'
import { getHistory } from '../api.ts'
import { Chart } from '../chart.tsx'
import { formatBytes, formatCount, formatDuration, formatMoment, formatRate } from '../format.ts'
import { connection, feed, status } from '../live.ts'
import { useLoad } from '../load.ts'
import { Card, Empty, Fact, Facts, Hex } from '../parts.tsx'
import { link } from '../route.ts'
import { MessageTable } from './messages.tsx'

export function Overview() {
  const now = status.value
  return (
    <>
      <h1 tabIndex={-1} class="hidden">
        Overview
      </h1>
      {now ? <Readiness status={now} /> : <Empty title="Waiting for the core …" />}
      <Charts />
      <div class="columns">
        {now && <Identity status={now} />}
        {now && <Work status={now} />}
      </div>
      <Card title="Latest messages" aside={<a href={link('messages')}>All messages</a>}>
        <MessageTable
          messages={feed.value.slice(-8).reverse()}
          empty={
            <Empty title="No message yet.">
              Ask the core something: <code>npx bletchley call GetAllTips</code>
            </Empty>
          }
        />
      </Card>
    </>
  )
}

function Readiness({ status: { ready, reasons, startedAt, now, version } }: { status: Status }) {
  const word = ready ? 'Ready' : 'Not ready'
  const past = connection.value !== 'live'
  return (
    <section class={`readiness ${past ? 'past' : ready ? 'good' : 'bad'}`} aria-label="Readiness">
      <strong>{past ? `${word} when last heard of` : word}</strong>
      {reasons.length > 0 && (
        <ul>
          {reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
      <span class="since">
        up {formatDuration(now - startedAt)}, since {formatMoment(startedAt)} · version {version}
      </span>
    </section>
  )
}

const perSecond = (values: readonly (string | number)[], stepMs: number): number[] =>
  values.map((value) => (Number(value) * 1000) / stepMs)

const sampleMs = 5000

function Charts() {
  const now = status.value
  // There is something new as often as the core takes a sample.
  const { data, error } = useLoad(getHistory, 'history', [now && Math.floor(now.now / sampleMs)])
  if (!data) return error ? <Empty title="The history cannot be read.">{error.message}</Empty> : null
  if (data.at.length < 2)
    return <Empty title="No history yet.">The charts begin with the second sample, in some seconds.</Empty>
  return <ChartGrid history={data} />
}

function ChartGrid({ history }: { history: History }) {
  const { at, stepMs } = history
  const whereMessages = (values: readonly (number | null)[]) =>
    values.map((value, step) => (history.messages[step] ? value : null))
  const common = { x: at, group: 'overview' }
  return (
    <section class="charts" aria-label="The last half hour">
      <Chart
        {...common}
        title="Messages / s"
        format={formatRate}
        series={[{ label: 'messages', values: perSecond(history.messages, stepMs), colour: '--accent' }]}
      />
      <Chart
        {...common}
        title="Latency"
        format={formatDuration}
        series={[
          { label: 'p50', values: whereMessages(history.medianMs), colour: '--accent' },
          { label: 'p99', values: whereMessages(history.p99Ms), colour: '--brass' },
        ]}
      />
      <Chart
        {...common}
        title="Errors / s"
        bars
        format={formatRate}
        series={[{ label: 'errors', values: perSecond(history.errors, stepMs), colour: '--bad' }]}
      />
      <Chart
        {...common}
        title="Gas / s"
        format={formatRate}
        series={[{ label: 'gas', values: perSecond(history.gas, stepMs), colour: '--brass' }]}
      />
      <Chart
        {...common}
        title="Tasks waiting"
        bars
        whole
        format={formatRate}
        series={[{ label: 'tasks', values: history.queue, colour: '--brass' }]}
      />
      <Chart
        {...common}
        title="Event-loop delay"
        format={formatDuration}
        series={[{ label: 'delay', values: history.eventLoopMs, colour: '--accent' }]}
      />
      <Chart
        {...common}
        title="Store"
        fromZero={false}
        format={formatBytes}
        series={[{ label: 'bytes', values: history.storeBytes, colour: '--accent' }]}
      />
      <Chart
        {...common}
        title="Contracts"
        fromZero={false}
        whole
        format={formatCount}
        series={[{ label: 'contracts', values: history.contracts, colour: '--brass' }]}
      />
    </section>
  )
}

const Identity = ({ status: now }: { status: Status }) => (
  <Card title="Worker">
    <Facts>
      <Fact name="Signing address">
        <Hex hex={now.signingAddress} head={40} copy="signing address" />
      </Fact>
      <Fact name={now.endpoints.length === 1 ? 'Endpoint' : 'Endpoints'}>
        {now.endpoints.map((endpoint) => (
          <Hex key={endpoint} hex={endpoint} head={64} copy={`endpoint ${endpoint}`} />
        ))}
      </Fact>
      <Fact name="Socket encryption">
        {now.curve ? <span class="mark good">CURVE</span> : <span class="mark">none</span>}
      </Fact>
      <Fact name="Principal">
        {now.principal ? (
          <Hex hex={now.principal} head={40} copy="principal's address" />
        ) : (
          <span class="mark warn">not pinned: keys are taken from anybody</span>
        )}
      </Fact>
      <Fact name="State keys come">
        {now.fetchesKeys ? 'fetched from the principal' : 'with a p2p node'}
        {now.lastPttAt !== undefined && `, last ${formatMoment(now.lastPttAt)}`}
      </Fact>
      <Fact name="Attestation">
        {now.attestation === 'simulation' ? <span class="mark warn">simulation: no TEE</span> : now.attestation}
      </Fact>
      <Fact name="Dialect">{now.dialect}</Fact>
    </Facts>
  </Card>
)

function Work({ status: now }: { status: Status }) {
  const busy = now.threads.filter((thread) => thread.busy).length
  const waiting = now.queue.reduce((sum, each) => sum + each.waiting, 0)
  return (
    <Card title="Holdings and work">
      <Facts>
        <Fact name="Contracts">
          <a href={link('contracts')}>{formatCount(now.contracts)}</a>
        </Fact>
        <Fact name="State keys held">
          {formatCount(now.stateKeys)}
          {now.stateKeys < now.contracts && !now.fetchesKeys && (
            <span class="note"> · tasks of the other contracts are refused</span>
          )}
        </Fact>
        <Fact name="One-time user keys">{formatCount(now.userKeys)}</Fact>
        <Fact name="Store">
          {formatBytes(now.storeBytes)}
          {now.dataFolderFreeBytes !== undefined && (
            <span class="note"> · {formatBytes(now.dataFolderFreeBytes)} free on the disk</span>
          )}
        </Fact>
        <Fact name="Threads busy">
          <a href={link('tasks')}>
            {busy} of {now.threads.length}
          </a>
        </Fact>
        <Fact name="Tasks waiting">
          {formatCount(waiting)}
          <span class="note"> · requests in flight {formatCount(now.inFlight)}</span>
        </Fact>
        <Fact name="Event-loop delay">{formatDuration(now.eventLoopDelayMs)}</Fact>
      </Facts>
    </Card>
  )
}
