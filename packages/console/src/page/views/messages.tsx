import type { ComponentChildren } from 'preact'
import { useMemo, useRef } from 'preact/hooks'
import { formatBytes, formatClock, formatCount, formatGas, formatRate, formatTook, printable } from '../format.ts'
import { isPaused } from '../keyboard.ts'
import { type FeedMessage, feed, feedLimit, skipped, status } from '../live.ts'
import { AddressLink, Empty, Outcome, outcomes, Peer } from '../parts.tsx'
import { link, replace, route } from '../route.ts'

/** More rows than this are no use to an eye, and cost each frame. */
const rowLimit = 100

export function Messages() {
  const { query } = route.value
  const type = query.get('type') ?? ''
  const outcome = query.get('outcome') ?? ''
  const text = query.get('text') ?? ''
  const filter = (change: Record<string, string>) => replace(link('messages', { type, outcome, text, ...change }))

  const frozen = useRef<readonly FeedMessage[] | undefined>(undefined)
  const live = feed.value
  if (isPaused.value) frozen.current ??= live
  else frozen.current = undefined
  const all = frozen.current ?? live
  const missed = frozen.current ? (live.at(-1)?.seq ?? 0) - (all.at(-1)?.seq ?? 0) : 0

  const lower = text.toLowerCase()
  const chosen = all.filter(
    (message) =>
      (type === '' || message.type === type) &&
      (outcome === '' || message.outcome === outcome) &&
      (text === '' ||
        [message.id, message.type, message.address ?? ''].some((each) => each.toLowerCase().includes(lower))),
  )
  const types = [...new Set([...live.map((message) => message.type), ...(type ? [type] : [])])].sort()
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Messages</h1>
        <p class="lead">
          {frozen.current ? `Paused. ${formatCount(missed)} since.` : `${formatRate(rateOf(live))} per second`}
          {skipped.value > 0 && ` · ${formatCount(skipped.value)} came too fast to be told`}
          <span class="wide"> · the newest {formatCount(feedLimit)} are kept</span>
        </p>
        <button
          type="button"
          class="action"
          aria-pressed={isPaused.value}
          onClick={() => (isPaused.value = !isPaused.value)}
        >
          {isPaused.value ? 'Go on' : 'Pause'}
        </button>
      </div>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          Type
          <select value={type} onChange={(event) => filter({ type: event.currentTarget.value })}>
            <option value="">all</option>
            {types.map((each) => (
              <option key={each} value={each}>
                {printable(each, 32)}
              </option>
            ))}
          </select>
        </label>
        <label>
          Outcome
          <select value={outcome} onChange={(event) => filter({ outcome: event.currentTarget.value })}>
            <option value="">all</option>
            {Object.entries(outcomes).map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <label class="grow">
          Id, address or type
          <input
            type="text"
            value={text}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => filter({ text: event.currentTarget.value })}
          />
        </label>
      </form>
      <div class="card">
        <MessageTable
          messages={chosen.slice(-rowLimit).reverse()}
          empty={
            all.length === 0 ? (
              <Empty title="No message yet.">
                Ask the core something: <code>npx bletchley call GetAllTips</code>
              </Empty>
            ) : (
              <Empty title="No message passes the filter.">
                <button type="button" class="action" onClick={() => replace(link('messages'))}>
                  Show all
                </button>
              </Empty>
            )
          }
        />
      </div>
      {chosen.length > rowLimit && (
        <p class="lead">
          The newest {rowLimit} of {formatCount(chosen.length)}.
        </p>
      )}
    </>
  )
}

/** Messages per second of the last 10 s, or of as much of them as is kept. */
function rateOf(messages: readonly FeedMessage[]): number {
  const now = Math.max(status.value?.now ?? 0, messages.at(-1)?.at ?? 0)
  const recent = messages.filter(({ at }) => at > now - 10_000)
  const isWhole = recent.length < messages.length || messages.length < feedLimit
  return (recent.length * 1000) / (isWhole ? 10_000 : Math.max(1, now - recent[0]!.at))
}

export function MessageTable({ messages, empty }: { messages: readonly FeedMessage[]; empty: ComponentChildren }) {
  if (messages.length === 0) return <>{empty}</>
  return (
    <table class="messages">
      <thead>
        <tr>
          <th scope="col">Time</th>
          <th scope="col">Message</th>
          <th scope="col" class="wide">
            Id
          </th>
          <th scope="col" class="wide">
            Contract
          </th>
          <th scope="col" class="number wide">
            Request
          </th>
          <th scope="col" class="number wide">
            Reply
          </th>
          <th scope="col" class="number wide">
            Gas
          </th>
          <th scope="col" class="number">
            Took
          </th>
          <th scope="col">Outcome</th>
        </tr>
      </thead>
      <tbody>
        {messages.map((message) => (
          <MessageRow key={message.seq} message={message} />
        ))}
      </tbody>
    </table>
  )
}

/** May break between its words, where there is little room. */
const MessageType = ({ type }: { type: string }) => (
  <bdi>
    {printable(type, 26)
      .split(/(?<=[a-z])(?=[A-Z])/)
      .flatMap((word, index) => (index === 0 ? [word] : [<wbr key={index} />, word]))}
  </bdi>
)

/** A row never changes: made once, it is not even compared when others come. */
const MessageRow = ({ message }: { message: FeedMessage }) =>
  useMemo(
    () => (
      <tr>
        <td class="time">
          {formatClock(message.at, false)}
          <span class="wide faint">{formatClock(message.at).slice(8)}</span>
        </td>
        <td>
          <MessageType type={message.type} />
        </td>
        <td class="wide mono">
          <Peer text={message.id} most={16} />
        </td>
        <td class="wide">{message.address !== undefined && <AddressLink address={message.address} />}</td>
        <td class="number wide">{formatBytes(message.requestBytes)}</td>
        <td class="number wide">{formatBytes(message.replyBytes)}</td>
        <td class="number wide">{message.gas !== undefined && formatGas(message.gas)}</td>
        <td class="number">{formatTook(message.ms)}</td>
        <td>
          <Outcome message={message} />
        </td>
      </tr>
    ),
    [message],
  )
