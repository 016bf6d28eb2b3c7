// The baseline: answers each request with a frame of a fixed size, and does nothing else.
import { Router } from 'zeromq'

const socket = new Router()
await socket.bind('tcp://127.0.0.1:0')
process.send({ endpoint: socket.lastEndpoint })
const reply = Buffer.alloc(Number(process.argv[2]))
for await (const [identity] of socket) await socket.send([identity, '', reply])
