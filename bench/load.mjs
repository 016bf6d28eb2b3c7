// A load generator that costs next to nothing, so that the server is what limits: a DEALER peer that speaks ZMTP 3.0
// (https://rfc.zeromq.org/spec/23/, mechanism NULL) on a plain TCP socket. All replies have the same size, so counting
// bytes is enough, and requests go out many at a time. It runs in a process of its own.
//
// Messages in: { endpoint, frame: base64, replyBytes, inFlight, count }; out: { perSecond }.
import { connect } from 'node:net'

/** What each side sends first: signature, version 3.0, mechanism, filler; 64 bytes. */
const greeting = Buffer.alloc(64)
greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0])
greeting.write('NULL', 12)

const ready = frameOf(4, Buffer.from('\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0'))

process.on('message', async ({ endpoint, frame, replyBytes, inFlight, count }) => {
  const request = messageOf(Buffer.from(frame, 'base64'))
  const replyLength = messageOf(Buffer.alloc(replyBytes)).length
  const { hostname, port } = new URL(endpoint)
  const socket = connect(Number(port), hostname).setNoDelay(true)
  const received = socket[Symbol.asyncIterator]()
  socket.write(Buffer.concat([greeting, ready]))
  await takeHandshake(received)

  const requests = Buffer.concat(new Array(inFlight).fill(request))
  const start = process.hrtime.bigint()
  socket.write(requests)
  let bytes = 0
  for (let sent = inFlight, replies = 0; replies < count; ) {
    const { value } = await received.next()
    bytes += value.length
    const arrived = Math.floor(bytes / replyLength) - replies
    replies += arrived
    const next = Math.min(arrived, count - sent)
    if (next > 0) socket.write(requests.subarray(0, next * request.length))
    sent += next
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  socket.destroy()
  process.send({ perSecond: count / seconds })
})

/** Reads greeting and READY of the server, which says nothing else before it is asked. */
async function takeHandshake(received) {
  let bytes = Buffer.alloc(0)
  while (bytes.length < 66 || bytes.length < 66 + bytes[65]) {
    const { value, done } = await received.next()
    if (done) throw new Error('the server hung up')
    bytes = Buffer.concat([bytes, value])
  }
}

/** A delimiter and one frame. */
function messageOf(frame) {
  return Buffer.concat([frameOf(1, Buffer.alloc(0)), frameOf(0, frame)])
}

/** @param flags 1 more frames follow, 2 the length has eight bytes, 4 a command */
function frameOf(flags, content) {
  const length = Buffer.alloc(content.length < 256 ? 2 : 9)
  length[0] = content.length < 256 ? flags : flags | 2
  if (content.length < 256) length[1] = content.length
  else length.writeBigUInt64BE(BigInt(content.length), 1)
  return Buffer.concat([length, content])
}
