import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below what systems hand out to whoever asks for any port. */
const ports = { first: 20_000, count: 10_000 }

/** Of this process; they end with it. */
const reservations: Socket[] = []

/**
 * A free port of 127.0.0.1 for a service that is stopped and started again: nobody else is given it in the meantime, as
 * might happen to one that the system chose. Nor is it given to another test: the UDP port of the same number is held as
 * long as this process lives.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    const port = ports.first + Math.floor(Math.random() * ports.count)
    const reservation = createSocket('udp4').unref()
    reservation.bind(port, '127.0.0.1')
    if (!(await succeeds(once(reservation, 'listening')))) continue
    const server = createServer().listen(port, '127.0.0.1')
    if (!(await succeeds(once(server, 'listening')))) {
      reservation.close()
      continue
    }
    server.close()
    await once(server, 'close')
    reservations.push(reservation)
    return port
  }
}

function succeeds(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => true,
    () => false,
  )
}
