// A peer that asks for little, in a process of its own: node idlePeer.mjs <endpoint> <request>. It asks all the time, until its
// parent says anything; then it sends how long it has waited each time, in milliseconds.
import { setTimeout } from 'node:timers/promises'
import { Request } from 'zeromq'

const [endpoint, request] = process.argv.slice(2)
const socket = new Request({ linger: 0 })
socket.connect(endpoint)
const waits = []
let ended = false
process.once('message', () => {
  ended = true
})
process.send('ready')
while (!ended) {
  const start = performance.now()
  await socket.send(request)
  await socket.receive()
  waits.push(performance.now() - start)
  await setTimeout(1)
}
socket.close()
// Many of them are written in several pieces, which disconnecting would cut off.
process.send(waits, () => process.disconnect())
