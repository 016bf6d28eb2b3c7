import { setImmediate } from 'node:timers/promises'
import { bytesToHex, hexToBytes, type Pieces } from '@bletchley/bytes'
import {
  CryptoError,
  decodePttRequest,
  ecdh,
  encodePttResponseInPieces,
  encodeStateKeysInPieces,
  encrypt,
  generateKeyPair,
  lengthPrefixed,
  type PttRequest,
  pttRequestItems,
  recoverAddress,
  type SecretKey,
  type StateKey,
  signInPieces,
} from '@bletchley/crypto'
import { type Caller, RpcError, rpcErrorCodes } from '@bletchley/http'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { AuditEntry, AuditLog } from './auditLog.ts'
import type { RateLimiter } from './rateLimits.ts'
import type { StateKeys } from './stateKeys.ts'

/**
 * Of the Enigma principal (spec/crypto.md 8.3). -32002, "epoch in transition", is not answered: without a chain there are
 * no epochs.
 */
const notAuthorisedCode = -32_001

/** More addresses than this in one request are refused; enigma-p2p asks for one, or for all. */
const maxAddresses = 1000
/** A request has some 250 bytes. */
const maxRequestBytes = 1024
/** A stranger can name any address, at no cost, and gets nothing: the log has so many of them. */
const maxStrangersAddresses = 10
/** Of the response, so many bytes are written as text within a millisecond. */
const hexBytesAtOnce = 64 * 1024
const signatureLength = 65
const contractAddressLength = 32

/** Hexadecimal text in either letter case, with or without 0x; becomes lower case without. */
const Hex = z
  .string()
  .transform((text) => text.replace(/^0x/i, '').toLowerCase())
  .refine((hex) => /^([0-9a-f]{2})*$/.test(hex), 'must be hexadecimal, with an even number of digits')
const hexOf = (bytes: number) => Hex.refine((hex) => hex.length === 2 * bytes, `must be ${bytes} bytes in hexadecimal`)

const Address = hexOf(contractAddressLength)

const ParamsObject = z.object({
  data: Hex.refine((hex) => hex.length <= 2 * maxRequestBytes, 'is too long for a request'),
  sig: hexOf(signatureLength),
  block_number: z.union([z.string().regex(/^[0-9]{1,78}$/, 'must be a decimal number'), z.int().min(0)]).nullish(),
  addresses: z
    .array(z.unknown())
    .max(maxAddresses, `must be at most ${maxAddresses} addresses`)
    .transform(parseAddresses)
    .nullish(),
})
const Params = z.preprocess(objectFromPositional, ParamsObject)

export interface GetStateKeysContext {
  stateKeys: StateKeys
  secretKey: SecretKey
  authorize: ((worker: string) => boolean | Promise<boolean>) | undefined
  limiter: RateLimiter
  audit: AuditLog
  logger: Logger
}

/**
 * `getStateKeys`: hands state keys to a worker, encrypted for the key that it signed.
 *
 * Params `{data, sig, block_number?, addresses?}`, or the same four as an array in this order. Result `{data, sig}`:
 * the response message and this principal's signature over its bytes. The request is in the audit log, on disk, before
 * anybody is answered.
 *
 * Here there is no chain: `block_number` is checked and otherwise ignored, and a request without addresses gets the
 * keys of all contracts, where the reference gives those that the epoch assigns to the worker.
 *
 * @see spec/crypto.md 8
 */
export function getStateKeys(context: GetStateKeysContext) {
  const { stateKeys, secretKey, authorize, limiter, audit, logger } = context
  let omitted = 0
  const appendAudit = (entry: AuditEntry) => {
    const line = { ...entry, ...(omitted > 0 && { omitted }) }
    omitted = 0
    return audit.append(line)
  }
  const assertPace = (waitMs: number) => {
    if (waitMs === 0) return
    omitted++
    throw new RpcError(rpcErrorCodes.limitExceeded, 'Too many requests', { retryAfterMs: waitMs })
  }

  return async (params: unknown, caller: Caller): Promise<{ data: string; sig: string }> => {
    // Whose signature it is costs more than all else of a request that is refused.
    assertPace(limiter.peer(caller.peer))
    const parsed = Params.safeParse(params)
    if (!parsed.success) throw new RpcError(rpcErrorCodes.invalidParams, describeIssues(parsed.error))
    const { data, sig, addresses } = parsed.data
    const request = decodeRequest(hexToBytes(data))
    const worker = recoverWorker(request, hexToBytes(sig))
    const named = addresses == null ? undefined : [...new Set(addresses)]
    const about = { worker, count: named?.length ?? 0, ...(named && { contracts: named }) }
    if (authorize !== undefined && !(await authorize(worker))) {
      assertPace(limiter.stranger())
      const contracts = named && { contracts: named.slice(0, maxStrangersAddresses) }
      await appendAudit({ ...about, ...contracts, outcome: 'refused', reason: 'not authorised' })
      throw notAuthorised()
    }
    assertPace(limiter.request(worker))
    const pair = generateKeyPair()
    const sharedKey = shareKey(pair.secretKey, request.publicKey)

    // Where the folder is gone, contracts that have a key would get another one.
    await audit.assertInPlace()
    const count = named?.length ?? stateKeys.count
    assertPace(limiter.contracts(worker, caller.peer, count))
    const made = named === undefined ? 0 : await stateKeys.countMissing(named)
    assertPace(limiter.newKeys(worker, made))
    const give = async () => {
      const wanted = named ?? (await stateKeys.addresses())
      const keys = await stateKeys.get(wanted).catch(async (error: unknown) => {
        await appendAudit({ ...about, outcome: 'failed', reason: 'internal error' })
        throw error
      })
      const result = await inTurns(makeResult(request.id, pair.publicKey, sharedKey, keys))
      const listed = wanted.length <= maxAddresses && { contracts: wanted }
      const { n, hash } = await appendAudit({ worker, outcome: 'given', count: wanted.length, made, ...listed })
      logger.info({ worker, contracts: wanted.length, auditLine: n, auditHash: hash }, 'state keys handed out')
      return result
    }
    return count > maxAddresses ? caller.oneAtATime(give) : give()
  }

  function* makeResult(id: Uint8Array, publicKey: Uint8Array, sharedKey: Uint8Array, keys: StateKey[]) {
    const plaintext = yield* encodeStateKeysInPieces(keys)
    yield
    const encrypted = encrypt(sharedKey, plaintext)
    const response = yield* encodePttResponseInPieces({ id, publicKey, encrypted })
    const signature = yield* signInPieces(secretKey, response)
    return { data: yield* hexInPieces(response), sig: bytesToHex(signature) }
  }
}

function* hexInPieces(bytes: Uint8Array): Pieces<string> {
  const texts: string[] = []
  for (let at = 0; at < bytes.length; at += hexBytesAtOnce) {
    texts.push(bytesToHex(bytes.subarray(at, at + hexBytesAtOnce)))
    yield
  }
  return texts.join('')
}

/** Does work one piece at a time, and others theirs in between. */
async function inTurns<T>(pieces: Pieces<T>): Promise<T> {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
    await setImmediate()
  }
}

/** Looks no further than the first that is none: a complaint about each would cost far more than the checks. */
function parseAddresses(items: unknown[], context: z.RefinementCtx): string[] {
  const addresses: string[] = []
  for (const [index, item] of items.entries()) {
    const parsed = Address.safeParse(item)
    if (!parsed.success) {
      context.addIssue({ code: 'custom', path: [index], message: parsed.error.issues[0]!.message })
      return z.NEVER
    }
    addresses.push(parsed.data)
  }
  return addresses
}

function objectFromPositional(params: unknown): unknown {
  if (!Array.isArray(params)) return params
  const [data, sig, block_number, addresses] = params
  return { data, sig, block_number, addresses }
}

function describeIssues(error: z.ZodError): string {
  const issues = error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  )
  return issues.join('; ')
}

function decodeRequest(bytes: Uint8Array): PttRequest {
  try {
    return decodePttRequest(bytes)
  } catch (error) {
    throw refusalOf(error, rpcErrorCodes.invalidParams, 'data: is not a request for state keys')
  }
}

/** Whoever signed: 40 lower-case digits. */
function recoverWorker(request: PttRequest, signature: Uint8Array): string {
  try {
    return bytesToHex(recoverAddress(lengthPrefixed(pttRequestItems(request)), signature))
  } catch (error) {
    throw refusalOf(error, notAuthorisedCode, 'sig: leads to no worker')
  }
}

function shareKey(secretKey: SecretKey, publicKey: Uint8Array): Uint8Array {
  try {
    return ecdh(secretKey, publicKey)
  } catch (error) {
    throw refusalOf(error, rpcErrorCodes.invalidParams, 'data: the public key is not on the curve')
  }
}

function notAuthorised(): RpcError {
  return new RpcError(notAuthorisedCode, 'The worker is not authorised')
}

function refusalOf(error: unknown, code: number, message: string): unknown {
  return error instanceof CryptoError ? new RpcError(code, message, { cause: error }) : error
}
