import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below what systems hand out to whoever asks for any port. */
const ports = { first: 20_000, count: 10_000 }

/**
 * A free port of 127.0.0.1 for a service that is stopped and started again: nobody else is given it in the meantime, as
 * might happen to one that the system chose.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = ports.first + Math.floor(Math.random() * ports.count)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
