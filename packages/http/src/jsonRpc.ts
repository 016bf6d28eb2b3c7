import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { Hono } from 'hono'
import type { Logger } from 'pino'
import { z } from 'zod'
import { readBody } from './body.ts'
import { hold } from './connections.ts'
import { peerOfSocket } from './peer.ts'
import { RpcError, rpcErrorCodes } from './rpcError.ts'
import type { HttpBindings } from './server.ts'
import { OneAtATime, turnOf } from './turns.ts'

/** More calls than this in one batch are refused. */
const maxBatchLength = 100
/** When the replies to a batch have become longer than this, the calls behind are not made. */
const maxBatchReplyLength = 4 * 1024 * 1024

/** The smallest values make this many bytes of each of their characters: an object is two of them. */
const parsedBytes = 25

const jsonType = 'application/json'

/** Who calls a method. */
export interface Caller {
  /** An address of IPv4, or a network (/64) of IPv6. */
  readonly peer: string
  /**
   * Does work that takes much memory, or makes a long reply: one at a time of all callers, the peers by turns.
   *
   * @throws RpcError if the connection ended before its turn came: then nothing was done
   */
  oneAtATime<T>(work: () => Promise<T>): Promise<T>
}

export type RpcMethod = (params: unknown, caller: Caller) => Promise<unknown>
export type RpcMethods = ReadonlyMap<string, RpcMethod>

type RpcId = string | number | null
interface RpcErrorResponse {
  jsonrpc: '2.0'
  error: { code: number; message: string; data?: { retryAfterMs: number } }
  id: RpcId
}

/** A whole number that a `number` cannot hold would come back as another one, and so answer nobody's call. */
const RpcIdSchema = z.union([
  z.string(),
  z.number().refine((id) => !Number.isInteger(id) || Number.isSafeInteger(id)),
  z.null(),
])
const RpcRequest = z.object({
  jsonrpc: z.literal('2.0'),
  method: z.string(),
  // Some clients send null for "none", which the standard does not know. What is in it is the method's matter.
  params: z.custom<object | null>((params) => typeof params === 'object').optional(),
  id: RpcIdSchema.optional(),
})

/** What calls come on. */
interface Connection {
  readonly socket: Socket
  /** Bytes that the calls may take, parsed, as far as they are not held yet. */
  readonly weight: number
  readonly large: OneAtATime
  readonly logger: Logger
}

/**
 * Serves JSON-RPC 2.0 over HTTP: POST /.
 *
 * @param maxBodyBytes of a request or batch; a longer one gets an error, status 413
 */
export function createJsonRpcRoute(
  methods: RpcMethods,
  maxBodyBytes: number,
  logger: Logger,
): Hono<{ Bindings: HttpBindings }> {
  const tooLarge = new RpcError(rpcErrorCodes.invalidRequest, `A body has at most ${maxBodyBytes} bytes`)
  const large = new OneAtATime()
  const route = new Hono<{ Bindings: HttpBindings }>()
  route.post('/', async (context) => {
    const { incoming } = context.env
    const body = await readBody(incoming, maxBodyBytes)
    // The rest of the body stays unread, so the connection is of no further use.
    if (body === undefined) return context.json(errorResponse(tooLarge, null), 413, { connection: 'close' })
    const { socket } = incoming
    hold(socket, body.length)
    try {
      await turnOf(socket)
      // When connections end, all that waits on them comes here at once.
      if (socket.destroyed) throw new Error('The connection ended before it was the turn of its request')
      const connection = { socket, weight: body.length * parsedBytes, large, logger }
      const reply = await answerJsonRpc(new TextDecoder().decode(body), methods, connection)
      return reply === undefined ? context.body(null, 204) : context.body(reply, 200, { 'content-type': jsonType })
    } finally {
      hold(socket, -body.length)
    }
  })
  route.onError((error, context) => {
    // Whoever breaks off does not hear it, and anybody may do it at any rate.
    logger.debug({ err: error }, 'request broken off')
    return context.text('Bad request', 400)
  })
  return route
}

/**
 * Answers one JSON-RPC 2.0 request or batch.
 *
 * @param body JSON text
 * @returns what to reply, or undefined where nothing may be replied: a notification, or a batch of them
 */
async function answerJsonRpc(body: string, methods: RpcMethods, connection: Connection): Promise<string | undefined> {
  let request: unknown
  try {
    request = JSON.parse(body)
  } catch {
    return JSON.stringify(errorResponse(new RpcError(rpcErrorCodes.parseError, 'The body is not JSON'), null))
  }
  if (Array.isArray(request)) return answerBatch(request, methods, connection)
  return answerOne(request, methods, connection)
}

async function answerBatch(calls: unknown[], methods: RpcMethods, connection: Connection): Promise<string | undefined> {
  if (calls.length === 0 || calls.length > maxBatchLength) {
    const error = new RpcError(rpcErrorCodes.invalidRequest, `A batch has 1 to ${maxBatchLength} calls`)
    return JSON.stringify(errorResponse(error, null))
  }
  const { socket, weight } = connection
  const held = { ...connection, weight: 0 }
  const replies: string[] = []
  let length = 0
  // The calls wait as what they were parsed into, and replies for those behind them: with many batches at a time it is much.
  hold(socket, weight)
  try {
    for (const call of calls) {
      await turnOf(socket)
      // Nobody would read what comes of the others.
      if (socket.destroyed) return undefined
      const reply = await answerOne(call, length > maxBatchReplyLength ? refusing(methods) : methods, held)
      if (reply === undefined) continue
      replies.push(reply)
      length += reply.length
      hold(socket, reply.length)
    }
    return replies.length === 0 ? undefined : `[${replies.join(',')}]`
  } finally {
    hold(socket, -(weight + length))
  }
}

/** The same methods, when the replies before have used up what a batch may have. */
function refusing(methods: RpcMethods): RpcMethods {
  const refuse = async () => {
    throw new RpcError(rpcErrorCodes.limitExceeded, 'The replies to this batch are too long: ask for less at a time')
  }
  return new Map([...methods.keys()].map((name) => [name, refuse]))
}

/** The reply to a body that was not even read. */
function errorResponse(error: RpcError, id: RpcId): RpcErrorResponse {
  const { code, message, retryAfterMs } = error
  return { jsonrpc: '2.0', error: { code, message, ...(retryAfterMs && { data: { retryAfterMs } }) }, id }
}

/** @returns JSON text, or undefined for a notification */
async function answerOne(request: unknown, methods: RpcMethods, connection: Connection): Promise<string | undefined> {
  const parsed = RpcRequest.safeParse(request)
  if (!parsed.success) {
    const isIdWrong = parsed.error.issues.some(({ path: [name] }) => name === 'id')
    const reason = isIdWrong ? 'An id is text, null or a number below 2^53' : 'This is not a JSON-RPC 2.0 call'
    return JSON.stringify(errorResponse(new RpcError(rpcErrorCodes.invalidRequest, reason), idOf(request)))
  }
  const { method, params, id } = parsed.data
  try {
    const call = methods.get(method)
    if (call === undefined) throw new RpcError(rpcErrorCodes.methodNotFound, 'There is no such method')
    const result = await call(params ?? undefined, callerOf(connection))
    return id === undefined ? undefined : JSON.stringify({ jsonrpc: '2.0', result, id })
  } catch (error) {
    const refusal = error instanceof RpcError ? error : internalError(error, method, connection.logger)
    // The name of a method that is none can be anything.
    const known = methods.has(method) ? { method } : {}
    if (error instanceof RpcError) {
      connection.logger.info({ ...known, code: error.code, reason: error.message }, 'call refused')
    }
    return id === undefined ? undefined : JSON.stringify(errorResponse(refusal, id))
  }
}

function callerOf({ socket, weight, large }: Connection): Caller {
  return {
    peer: peerOfSocket(socket),
    oneAtATime: async (work) => {
      hold(socket, weight)
      try {
        const done = await large.run(socket, async () => ({ result: await work() }))
        if (done === undefined) throw new RpcError(rpcErrorCodes.internal, 'Nobody waits for the reply any more')
        return done.result
      } finally {
        hold(socket, -weight)
      }
    },
  }
}

/** The caller learns a number; what happened goes to the log, where that number finds it. */
function internalError(error: unknown, method: string, logger: Logger): RpcError {
  const incident = randomBytes(4).toString('hex')
  logger.error({ err: error, method, incident }, 'call failed')
  return new RpcError(rpcErrorCodes.internal, `Internal error ${incident}`)
}

function idOf(request: unknown): RpcId {
  if (typeof request !== 'object' || request === null || !('id' in request)) return null
  const id = RpcIdSchema.safeParse(request.id)
  return id.success ? id.data : null
}
