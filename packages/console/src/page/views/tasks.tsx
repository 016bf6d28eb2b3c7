import { useRef } from 'preact/hooks'
import type { Status, Thread } from '../api.ts'
import { formatBytes, formatCount, formatDuration, printable } from '../format.ts'
import { feed, status } from '../live.ts'
import { AddressLink, Card, Empty, Fact, Facts } from '../parts.tsx'
import { link } from '../route.ts'
import { MessageTable } from './messages.tsx'

/** As many reports of the core as a strip shows; it reports about once a second. */
const stripLength = 60

export function Tasks() {
  const now = status.value
  const strips = useStrips(now)
  return (
    <>
      <div class="head">
        <h1 tabIndex={-1}>Tasks and threads</h1>
        {now && <p class="lead">requests in flight {formatCount(now.inFlight)}</p>}
      </div>
      {!now && <Empty title="Waiting for the core …" />}
      {now && (
        <>
          <Card title="Threads" aside="busy or idle, sampled once a second">
            <table>
              <thead>
                <tr>
                  <th scope="col">Thread</th>
                  <th scope="col">Now</th>
                  <th scope="col">Contract</th>
                  <th scope="col" class="number">
                    For
                  </th>
                  <th scope="col" class="wide">
                    The last minute
                  </th>
                </tr>
              </thead>
              <tbody>
                {now.threads.map((thread) => (
                  <ThreadRow key={thread.id} thread={thread} strip={strips.get(thread.id) ?? []} />
                ))}
              </tbody>
            </table>
          </Card>
          <Card title="Latest tasks" aside={<a href={link('messages')}>All messages</a>}>
            <MessageTable
              messages={feed.value
                .filter(({ gas }) => gas !== undefined)
                .slice(-10)
                .reverse()}
              empty={
                <Empty title="No task yet.">
                  Run one: <code>npx bletchley compute &lt;address&gt; '&lt;fn&gt;(&lt;types&gt;)' …</code>
                </Empty>
              }
            />
          </Card>
          <div class="columns">
            <Card title="Queue" aside={now.queue.length >= 50 ? 'the longest 50' : undefined}>
              {now.queue.length === 0 ? (
                <Empty title="No task waits.">
                  A contract's tasks run one after the other; those that wait are listed here.
                </Empty>
              ) : (
                <table>
                  <thead>
                    <tr>
                      <th scope="col">Contract</th>
                      <th scope="col" class="number">
                        Waiting
                      </th>
                    </tr>
                  </thead>
                  <tbody>
                    {now.queue.map(({ address, waiting }) => (
                      <tr key={address}>
                        <td>
                          <AddressLink address={address} />
                        </td>
                        <td class="number">{formatCount(waiting)}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              )}
            </Card>
            <Card title="Caches">
              <Facts>
                <Fact name="Compiled modules">
                  {formatCount(now.caches.modules.entries)} · {formatBytes(now.caches.modules.bytes)}
                </Fact>
                <Fact name="Decrypted states">
                  {formatCount(now.caches.states.entries)} · {formatBytes(now.caches.states.bytes)}
                </Fact>
                <Fact name="One-time user keys">{formatCount(now.userKeys)}</Fact>
                <Fact name="Event-loop delay">{formatDuration(now.eventLoopDelayMs)}</Fact>
              </Facts>
            </Card>
          </div>
        </>
      )}
    </>
  )
}

/** What each thread was seen doing since the view was opened. */
function useStrips(now: Status | undefined): ReadonlyMap<number, readonly boolean[]> {
  const strips = useRef(new Map<number, readonly boolean[]>())
  const seen = useRef<Status | undefined>(undefined)
  if (now && now !== seen.current) {
    seen.current = now
    for (const { id, busy } of now.threads)
      strips.current.set(id, [...(strips.current.get(id) ?? []), busy].slice(-stripLength))
  }
  return strips.current
}

const ThreadRow = ({ thread, strip }: { thread: Thread; strip: readonly boolean[] }) => (
  <tr>
    <td>
      {thread.id}
      {thread.replaced > 0 && <span class="note"> · replaced {thread.replaced}×</span>}
    </td>
    <td>
      <span class={thread.busy ? 'mark busy' : 'mark'}>
        {thread.busy ? printable(thread.kind ?? 'busy', 16) : thread.alive ? 'idle' : 'starts when needed'}
      </span>
    </td>
    <td>{thread.address !== undefined && <AddressLink address={thread.address} head={4} tail={4} />}</td>
    <td class="number">{thread.runningMs !== undefined && formatDuration(thread.runningMs)}</td>
    <td class="wide">
      <svg class="strip" viewBox={`0 0 ${stripLength * 4} 12`} role="img" aria-label={stripSummary(strip)}>
        {Array.from({ length: stripLength }, (_, place) => {
          const busy = strip[strip.length - stripLength + place] === true
          return (
            <rect
              key={place}
              class={busy ? 'busy' : ''}
              x={place * 4}
              y={busy ? 0 : 9}
              width="3"
              height={busy ? 12 : 3}
            />
          )
        })}
      </svg>
    </td>
  </tr>
)

const stripSummary = (strip: readonly boolean[]): string =>
  `busy in ${strip.filter(Boolean).length} of ${strip.length} samples`
