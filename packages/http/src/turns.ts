import type { Socket } from 'node:net'
import { peerOfSocket } from './peer.ts'

/** What waits to be done for a connection. */
interface Line {
  readonly peer: string
  readonly waiting: (() => void)[]
}

const lines = new Map<Socket, Line>()
/** Connections for which something waits, by peer: both in the order in which they come next. */
const peers = new Map<string, Set<Socket>>()
const watched = new WeakSet<Socket>()
let isScheduled = false

/**
 * Waits until it is the turn of a connection. One of all begins in each turn of the event loop, the peers by turns, and of
 * each peer its connections: so whoever has little to be done waits for one piece of each other peer's at most.
 *
 * @returns also when the connection has ended, for which nothing need be done any more
 */
export async function turnOf(socket: Socket): Promise<void> {
  if (socket.destroyed) return
  await new Promise<void>((resolve) => {
    const line = lines.get(socket)
    if (line === undefined) join(socket, { peer: peerOfSocket(socket), waiting: [resolve] })
    else line.waiting.push(resolve)
    schedule()
  })
}

function join(socket: Socket, line: Line): void {
  lines.set(socket, line)
  const sockets = peers.get(line.peer) ?? new Set()
  peers.set(line.peer, sockets.add(socket))
  if (watched.has(socket)) return
  watched.add(socket)
  socket.once('close', () => {
    const line = lines.get(socket)
    if (line === undefined) return
    leave(socket, line)
    for (const resolve of line.waiting) resolve()
  })
}

function leave(socket: Socket, { peer }: Line): void {
  lines.delete(socket)
  const sockets = peers.get(peer)!
  sockets.delete(socket)
  if (sockets.size === 0) peers.delete(peer)
}

function schedule(): void {
  if (isScheduled) return
  isScheduled = true
  setImmediate(nextTurn)
}

function nextTurn(): void {
  isScheduled = false
  const [next] = peers
  if (next === undefined) return
  const [peer, sockets] = next
  const [socket] = sockets as Set<Socket> & [Socket]
  const line = lines.get(socket)!
  const resolve = line.waiting.shift()!
  // Behind the others.
  leave(socket, line)
  if (line.waiting.length > 0) join(socket, line)
  const others = peers.get(peer)
  if (others !== undefined) {
    peers.delete(peer)
    peers.set(peer, others)
  }
  if (peers.size > 0) schedule()
  resolve()
}
