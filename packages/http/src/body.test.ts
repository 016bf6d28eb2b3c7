import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { readBody } from './body.ts'

it('the rest of a body that is too long is left unread', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const peer = connect((server.address() as { port: number }).port, '127.0.0.1')
  peer.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
  for (let count = 0; count < 160; count++) peer.write(chunk)
  const [request] = await once(server, 'request')
  expect(await readBody(request, 1000)).toBeUndefined()
  // Each of them is a turn in which more could be read.
  for (let turn = 0; turn < 1000; turn++) await setImmediate()
  expect(request.socket.bytesRead).toBeLessThan(10 * chunk.length)
  request.socket.destroy()
  peer.destroy()
  server.close()
})
