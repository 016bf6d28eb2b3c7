import { useEffect, useState } from 'preact/hooks'
import { type Delta, getContract, getDeltas, NotFound } from '../api.ts'
import { Chart } from '../chart.tsx'
import { formatBytes, formatCount, formatGas, formatMoment, formatRate, printable } from '../format.ts'
import { feed, status, storeChanges } from '../live.ts'
import { useLoad } from '../load.ts'
import { Card, Copy, Empty, Fact, Facts, Hex, KeyHeld, None, Tip } from '../parts.tsx'
import { link } from '../route.ts'
import { MessageTable } from './messages.tsx'

const pageSize = 60

export function ContractView({ address }: { address: string }) {
  const { data, error } = useLoad((signal) => getContract(address, signal), address, [storeChanges.value])
  const { deltas, next, loadMore } = useChain(address, data?.tipHash)
  if (error instanceof NotFound)
    return (
      <>
        <h1 tabIndex={-1}>Contract</h1>
        <Empty title="This core has no contract with that address.">
          <span class="mono whole">{printable(address, 80)}</span>
          <br />
          <a href={link('contracts', { search: address.slice(0, 8) })}>Look for addresses like it</a>
        </Empty>
      </>
    )
  const messages = feed.value.filter((message) => message.address === address)
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>
          <a href={link('contracts')}>Contracts</a> <span class="faint">/</span>{' '}
          <span class="mono whole">{printable(address, 80)}</span> <Copy text={address} what="address" />
        </h1>
      </div>
      {error && !data && <Empty title="The contract cannot be read.">{error.message}</Empty>}
      {data && (
        <div class="columns">
          <Card title="Facts">
            <Facts>
              <Fact name="Code hash">
                {data.codeHash === undefined ? (
                  <None />
                ) : (
                  <Hex hex={data.codeHash} head={16} tail={12} copy="code hash" />
                )}
              </Fact>
              <Fact name="Tip">
                <Tip contract={data} head={12} tail={8} copy="hash of the tip" />
              </Fact>
              <Fact name="Deltas">
                {formatCount(data.deltas)}
                {data.deltaBytes !== undefined && ` · ${formatBytes(data.deltaBytes)}`}
              </Fact>
              <Fact name="Bytecode">{formatBytes(data.bytecodeBytes)}</Fact>
              <Fact name="State">{data.stateBytes === undefined ? 'not in memory' : formatBytes(data.stateBytes)}</Fact>
              <Fact name="Snapshot">
                {data.snapshot ? (
                  <>
                    of <span class="tip">#{data.snapshot.key}</span>, {formatBytes(data.snapshot.bytes)}
                    <span class="note"> {formatCount((data.tipKey ?? 0) - data.snapshot.key)} deltas since</span>
                  </>
                ) : (
                  'none yet'
                )}
              </Fact>
              <Fact name="Home thread">
                {data.home === undefined ? 'none' : <a href={link('tasks')}>thread {data.home}</a>}
              </Fact>
              <Fact name="State key">
                <KeyHeld held={data.keyHeld} />
              </Fact>
            </Facts>
          </Card>
          <section class="card" aria-label="Gas">
            <GasChart deltas={deltas} />
          </section>
        </div>
      )}
      {deltas.length > 0 && (
        <Card
          title="Delta chain"
          aside={`newest first · ${formatCount(deltas.length)} of ${formatCount(data?.deltas ?? deltas.length)}`}
        >
          <Chain deltas={deltas} snapshotKey={data?.snapshot?.key} />
          {next !== undefined && (
            <button type="button" class="action more" onClick={() => void loadMore(next)}>
              Show {pageSize} older
            </button>
          )}
        </Card>
      )}
      <Card title="Latest messages" aside={<a href={link('messages', { text: address })}>All of this contract</a>}>
        <MessageTable
          messages={messages.slice(-8).reverse()}
          empty={<Empty title="None among those kept.">{status.value && 'They appear here as they come.'}</Empty>}
        />
      </Card>
    </>
  )
}

interface LoadedChain {
  /** Newest first. */
  deltas: readonly Delta[]
  /** Where older ones go on. */
  next?: number | undefined
}

/** The newest deltas, and as many older ones as were asked for. Read again when the tip moves. */
function useChain(address: string, tipHash: string | undefined) {
  const [chain, setChain] = useState<LoadedChain>({ deltas: [] })
  useEffect(() => {
    if (tipHash === undefined) return
    const abort = new AbortController()
    getDeltas(address, { limit: pageSize }, abort.signal).then(
      (newest) =>
        setChain((old) => {
          const last = newest.deltas.at(-1)
          const joint = old.deltas.findIndex(({ key, hash }) => key === last?.key && hash === last.hash)
          // Older ones stay only if they still are the same chain.
          if (joint === -1) return newest
          return { deltas: [...newest.deltas, ...old.deltas.slice(joint + 1)], next: old.next }
        }),
      () => undefined, // The contract's own view says what is wrong.
    )
    return () => abort.abort()
  }, [address, tipHash])
  const loadMore = (before: number) =>
    getDeltas(address, { before, limit: pageSize }).then(
      ({ deltas, next }) =>
        setChain((old) => (old.next === before ? { deltas: [...old.deltas, ...deltas], next } : old)),
      () => undefined,
    )
  return { ...chain, loadMore }
}

function GasChart({ deltas }: { deltas: readonly Delta[] }) {
  const known = deltas.filter(({ gas }) => gas !== undefined).reverse()
  if (known.length === 0)
    return <Empty title="No gas known.">It is known of the tasks that this core ran itself.</Empty>
  const at = new Map(known.map((delta) => [delta.key, delta.at]))
  const formatKey = (key: number) => {
    const time = at.get(key)
    return time === undefined ? `#${key}` : `#${key} · ${formatMoment(time)}`
  }
  return (
    <Chart
      title="Gas by delta"
      bars
      height={196}
      x={known.map(({ key }) => key)}
      series={[{ label: 'gas', values: known.map(({ gas }) => Number(gas)), colour: '--brass' }]}
      format={formatRate}
      formatX={formatKey}
      formatTick={(key) => (Number.isInteger(key) ? `#${key}` : '')}
    />
  )
}

function Chain({ deltas, snapshotKey }: { deltas: readonly Delta[]; snapshotKey: number | undefined }) {
  const [chosenKey, choose] = useState<number | undefined>()
  const most = deltas.reduce((max, { bytes }) => Math.max(max, bytes), 1)
  const chosen = deltas.find(({ key }) => key === chosenKey) ?? deltas[0]!
  const previous = deltas.find(({ key }) => key === chosen.key - 1)
  return (
    <>
      <div class="chosen">
        <strong class="tip">#{chosen.key}</strong>
        <Hex hex={chosen.hash} head={20} tail={12} copy={`hash of delta ${chosen.key}`} />
        <span>
          {chosen.key === 0 ? (
            'begins the chain'
          ) : (
            <>
              after #{chosen.key - 1} {previous && <Hex hex={previous.hash} />}
            </>
          )}
        </span>
        <span>{formatBytes(chosen.bytes)}</span>
        {chosen.gas !== undefined && <span>{formatGas(chosen.gas)} gas</span>}
        {chosen.type !== undefined && <span>{printable(chosen.type)}</span>}
        {chosen.at !== undefined && <span>{formatMoment(chosen.at)}</span>}
      </div>
      <ol class="chain" reversed>
        {deltas.map((delta) => (
          <li key={delta.key}>
            <button
              type="button"
              data-row
              class={delta.key === 0 ? 'block first' : 'block'}
              aria-pressed={delta.key === chosen.key}
              onClick={() => choose(delta.key)}
            >
              <span class="tip">
                #{delta.key}
                {delta.key === snapshotKey && <span class="note"> snapshot</span>}
              </span>
              <span class="mono">{delta.hash.slice(0, 10)}</span>
              <span class="size">
                <i style={{ width: `${Math.max(2, (delta.bytes / most) * 100)}%` }} />
              </span>
              <span class="note">
                {formatBytes(delta.bytes)}
                {delta.gas !== undefined && <span> · {formatRate(Number(delta.gas))} gas</span>}
              </span>
            </button>
          </li>
        ))}
      </ol>
    </>
  )
}
