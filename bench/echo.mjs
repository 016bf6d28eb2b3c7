// The baseline: a bare ROUTER that answers each request with a frame of a fixed size, and does nothing else.
import { Router } from 'zeromq'

const socket = new Router()
await socket.bind('tcp://127.0.0.1:0')
let reply = Buffer.alloc(0)
process.on('message', (replyBytes) => {
  reply = Buffer.alloc(replyBytes, 1) // filled, since memory that nobody has written is read faster than any other
  process.send({ replyBytes })
})
process.send({ endpoint: socket.lastEndpoint })
for await (const [identity] of socket) await socket.send([identity, '', reply])
