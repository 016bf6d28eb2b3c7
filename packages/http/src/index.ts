export { noPages, ownPagesOnly } from './guards.ts'
export { createHealthRoutes } from './healthRoutes.ts'
export { type Caller, createJsonRpcRoute, type RpcMethod, type RpcMethods } from './jsonRpc.ts'
export { RecentlyUsed, TokenBucket } from './rateLimits.ts'
export { RpcError, rpcErrorCodes } from './rpcError.ts'
export {
  type ConnectionLimits,
  type HttpAddress,
  type HttpBindings,
  type HttpServer,
  openHttpServer,
  RESPONSE_ALREADY_SENT,
} from './server.ts'
