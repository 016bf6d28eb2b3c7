import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Logger } from 'pino'
import { z } from 'zod'
import { RpcError, rpcErrorCodes } from './rpcError.ts'

/** More calls than this in one batch are refused. */
const maxBatchLength = 100

type RpcMethod = (params: unknown) => Promise<unknown>
export type RpcMethods = ReadonlyMap<string, RpcMethod>

type RpcId = string | number | null
type RpcResponse =
  | { jsonrpc: '2.0'; result: unknown; id: RpcId }
  | { jsonrpc: '2.0'; error: { code: number; message: string; data?: { retryAfterMs: number } }; id: RpcId }

const RpcIdSchema = z.union([z.string(), z.number(), z.null()])
const RpcRequest = z.object({
  jsonrpc: z.literal('2.0'),
  method: z.string(),
  // Some clients send null for "none", which the standard does not know.
  params: z.union([z.array(z.unknown()), z.record(z.string(), z.unknown()), z.null()]).optional(),
  id: RpcIdSchema.optional(),
})

/** Serves JSON-RPC 2.0 over HTTP: POST /. A body may have so many bytes. */
export function createJsonRpcRoute(methods: RpcMethods, maxBodyBytes: number, logger: Logger): Hono {
  const tooLarge = new RpcError(rpcErrorCodes.invalidRequest, `A body has at most ${maxBodyBytes} bytes`)
  const route = new Hono()
  route.post(
    '/',
    bodyLimit({
      maxSize: maxBodyBytes,
      // The rest of the body stays unread, so the connection is of no further use.
      onError: (context) => context.json(errorResponse(tooLarge, null), 413, { connection: 'close' }),
    }),
    async (context) => {
      const response = await answerJsonRpc(await context.req.text(), methods, logger)
      return response === undefined ? context.body(null, 204) : context.json(response)
    },
  )
  route.onError((error, context) => {
    logger.warn({ err: error }, 'request broken off')
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
async function answerJsonRpc(
  body: string,
  methods: RpcMethods,
  logger: Logger,
): Promise<RpcResponse | RpcResponse[] | undefined> {
  let request: unknown
  try {
    request = JSON.parse(body)
  } catch {
    return errorResponse(new RpcError(rpcErrorCodes.parseError, 'The body is not JSON'), null)
  }
  if (!Array.isArray(request)) return answerOne(request, methods, logger)
  if (request.length === 0 || request.length > maxBatchLength) {
    const error = new RpcError(rpcErrorCodes.invalidRequest, `A batch has 1 to ${maxBatchLength} calls`)
    return errorResponse(error, null)
  }
  const responses: RpcResponse[] = []
  for (const call of request) {
    const response = await answerOne(call, methods, logger)
    if (response !== undefined) responses.push(response)
  }
  return responses.length === 0 ? undefined : responses
}

/** The reply to a body that was not even read. */
function errorResponse(error: RpcError, id: RpcId): RpcResponse {
  const { code, message, retryAfterMs } = error
  return { jsonrpc: '2.0', error: { code, message, ...(retryAfterMs && { data: { retryAfterMs } }) }, id }
}

async function answerOne(request: unknown, methods: RpcMethods, logger: Logger): Promise<RpcResponse | undefined> {
  const parsed = RpcRequest.safeParse(request)
  if (!parsed.success) {
    return errorResponse(new RpcError(rpcErrorCodes.invalidRequest, 'This is not a JSON-RPC 2.0 call'), idOf(request))
  }
  const { method, params, id } = parsed.data
  try {
    const call = methods.get(method)
    if (call === undefined) throw new RpcError(rpcErrorCodes.methodNotFound, 'There is no such method')
    const result = await call(params ?? undefined)
    return id === undefined ? undefined : { jsonrpc: '2.0', result, id }
  } catch (error) {
    const refusal = error instanceof RpcError ? error : internalError(error, method, logger)
    // The name of a method that is none can be anything.
    const known = methods.has(method) ? { method } : {}
    if (error instanceof RpcError) logger.info({ ...known, code: error.code, reason: error.message }, 'call refused')
    return id === undefined ? undefined : errorResponse(refusal, id)
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
