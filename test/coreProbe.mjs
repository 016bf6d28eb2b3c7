// Loaded into a core before anything else, it looks at what no peer can see: how long the main thread goes on without a pause, in
// processor time of that thread, which is the same however busy the machine is. At SIGUSR2 it collects garbage and writes a
// line to the file of BLETCHLEY_PROBE: the longest stretch since the last line, all of them together, both in milliseconds, and
// the resident memory that no file backs, in bytes.
import { appendFileSync, openSync, readFileSync, readSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { isMainThread } from 'node:worker_threads'

/** A stretch is taken for longer than it is by so much at most. */
const lookMs = 5

if (isMainThread && process.env.BLETCHLEY_PROBE) {
  const usage = openSync('/proc/thread-self/schedstat')
  const text = Buffer.alloc(64)
  const usedMs = () => Number.parseInt(text.toString('latin1', 0, readSync(usage, text, 0, text.length, 0)), 10) / 1e6
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')

  let last = usedMs()
  let longest = 0
  let total = 0
  const look = () => {
    const now = usedMs()
    longest = Math.max(longest, now - last)
    total += now - last
    last = now
  }
  setInterval(look, lookMs).unref()

  process.on('SIGUSR2', () => {
    look()
    const line = [longest, total]
    collect()
    // What the collector found is let go of in turns of their own.
    setTimeout(() => {
      collect()
      const [, kilobytes] = /^RssAnon:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1'))
      appendFileSync(process.env.BLETCHLEY_PROBE, `${[...line, 1024 * kilobytes].join(' ')}\n`)
      last = usedMs()
      longest = 0
      total = 0
    }, 50)
  })
}
