import { curveKeyLength, encodeZ85 } from '@bletchley/crypto'
import { type Context, Reply } from 'zeromq'
import type { ClientList } from './clientList.ts'
import type { Refusals } from './refusals.ts'

/** Where libzmq asks, for each connection of its context, whether to let the peer in (ZeroMQ RFC 27). */
const zapEndpoint = 'inproc://zeromq.zap.01'
const zapVersion = '1.0'

/** Lets in the clients of a list, and remembers whom it has let in. */
export interface Doorkeeper {
  /** Whether a client that was let in since `forget` is no longer on the list. */
  hasStranger(): boolean
  /** All connections are gone. */
  forget(): void
  close(): void
}

/** @param context of the sockets to guard; it must have no other doorkeeper */
export async function guardConnections(context: Context, clients: ClientList, refusals: Refusals): Promise<Doorkeeper> {
  const socket = new Reply({ context, linger: 0 })
  await socket.bind(zapEndpoint)
  const letIn = new Set<string>()

  function judge(mechanism: string, credentials: Uint8Array | undefined, address: string): boolean {
    if (mechanism !== 'CURVE' || credentials?.length !== curveKeyLength) return false
    const key = encodeZ85(credentials)
    if (clients.has(key)) {
      letIn.add(key)
      return true
    }
    refusals.add('not_listed', key, address)
    return false
  }

  async function answerQuestions(): Promise<void> {
    // [version, request id, domain, address, identity, mechanism, credentials]
    for await (const [, id, , address, , mechanism, credentials] of socket) {
      const welcome = judge(String(mechanism), credentials, String(address))
      await socket.send([zapVersion, id!, welcome ? '200' : '400', welcome ? 'OK' : 'not on the list', '', ''])
    }
  }
  answerQuestions().catch((error: unknown) => {
    // It ends with the socket, perhaps in the middle of an answer.
    if (!socket.closed) throw error
  })

  return {
    hasStranger: () => [...letIn].some((key) => !clients.has(key)),
    forget: () => letIn.clear(),
    close: () => socket.close(),
  }
}
