import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import {
  addressOf,
  decodePttRequest,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  lengthPrefixed,
  pttRequestItems,
  randomBytes,
  recoverAddress,
  sign,
} from '@bletchley/crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { FetchError, fetchStateKeys } from './fetchStateKeys.ts'
import { StateKeys } from './stateKeys.ts'

const worker = generateKeyPair()
const principal = generateKeyPair()
const contracts = [randomBytes(32), randomBytes(32)]
const keyOf = (address: Uint8Array) => ({ address, key: address.map((byte) => byte ^ 0xff) })

interface Asked {
  id: unknown
  jsonrpc: string
  method: string
  params: { data: string; sig: string; addresses: string[] }
}

/** What the principal makes of a request: a text, or whatever it does with the response. */
let answer: (asked: Asked, response: ServerResponse, request: IncomingMessage) => string | undefined
let stateKeys: StateKeys

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString()
  const reply = answer(text === '' ? ({} as Asked) : (JSON.parse(text) as Asked), response, request)
  if (reply !== undefined) response.end(reply)
})
let url: string
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})
beforeEach(() => {
  stateKeys = new StateKeys(worker.secretKey, addressOf(principal.publicKey))
})

/** An honest answer, for the contracts that were asked for or others. */
function keysFor({ params }: Asked, addresses = params.addresses, signer = principal): string {
  const { id, publicKey } = decodePttRequest(hexToBytes(params.data))
  const mine = generateKeyPair()
  const keys = addresses.map((address) => keyOf(hexToBytes(address)))
  const encrypted = encrypt(ecdh(mine.secretKey, publicKey), encodeStateKeys(keys))
  const response = encodePttResponse({ id, publicKey: mine.publicKey, encrypted })
  const result = { data: bytesToHex(response), sig: bytesToHex(sign(signer.secretKey, response)) }
  return JSON.stringify({ jsonrpc: '2.0', id: 1, result })
}

const fetchKeys = (signal?: AbortSignal) => fetchStateKeys(stateKeys, url, contracts, signal)

async function failure(signal?: AbortSignal): Promise<FetchError> {
  const error = await fetchKeys(signal).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(FetchError)
  expect((error as FetchError).name).toBe('FetchError')
  expect(stateKeys.size).toBe(0)
  return error as FetchError
}

describe('keys that are fetched', () => {
  it('are asked for by JSON-RPC, with the worker’s signature, and installed', async () => {
    let asked!: Asked
    let head!: IncomingMessage
    answer = (body, _, request) => {
      asked = body
      head = request
      return keysFor(body)
    }
    await fetchKeys()
    expect([head.method, head.headers['content-type']]).toEqual(['POST', 'application/json'])
    const { data, sig, addresses } = asked.params
    expect(asked).toMatchObject({ jsonrpc: '2.0', id: 1, method: 'getStateKeys' })
    expect(addresses).toEqual(contracts.map(bytesToHex))
    const request = decodePttRequest(hexToBytes(data))
    expect(recoverAddress(lengthPrefixed(pttRequestItems(request)), hexToBytes(sig))).toEqual(
      addressOf(worker.publicKey),
    )
    for (const address of contracts) expect(stateKeys.get(address)).toEqual(keyOf(address).key)
  })

  it('come in an answer of up to 4 MiB', async () => {
    const most = 1 << 22
    answer = (asked) => keysFor(asked).padEnd(most)
    await fetchKeys()
    expect(stateKeys.size).toBe(2)
    stateKeys = new StateKeys(worker.secretKey, addressOf(principal.publicKey))
    answer = (asked) => keysFor(asked).padEnd(most + 1)
    expect((await failure()).message).toBe('its answer is too large')
  })
})

describe('a failure', () => {
  const noRpc = 'it refuses: its answer is no JSON-RPC'
  it.each([
    ['no JSON', 'secret', 'its answer is not JSON'],
    ['nothing', '', 'its answer is not JSON'],
    ['null', 'null', noRpc],
    ['an empty object', '{}', noRpc],
    ['no signature', '{"result":{"data":""}}', noRpc],
    ['no data', '{"result":{"sig":""}}', noRpc],
    ['an error without a code', '{"error":{"code":"secret","message":"secret"}}', noRpc],
    ['an error', '{"error":{"code":-32001,"message":"secret"}}', 'it refuses: code -32001'],
    ['an error with null', '{"error":{"code":-32001,"data":null}}', 'it refuses: code -32001'],
    ['a wait that is a text', '{"error":{"code":7,"data":{"retryAfterMs":"secret"}}}', 'it refuses: code 7'],
    [
      'hex of odd length',
      '{"result":{"data":"abc","sig":""}}',
      'its answer is refused: hex must have an even number of digits, got 3',
    ],
  ])('by an answer that is %s says so, and quotes nothing of it', async (_, text, message) => {
    answer = () => text
    const error = await failure()
    expect([error.message, error.retryAfterMs]).toEqual([message, undefined])
  })

  it('says when the principal wants to be asked again', async () => {
    answer = () => '{"error":{"code":-32005,"data":{"retryAfterMs":4000}}}'
    expect(await failure()).toMatchObject({ message: 'it refuses: code -32005', retryAfterMs: 4000 })
  })

  it('says why an answer is refused, and who signed it if it was somebody else', async () => {
    const stranger = generateKeyPair()
    answer = (asked) => keysFor(asked, asked.params.addresses, stranger)
    const signer = bytesToHex(addressOf(stranger.publicKey))
    expect((await failure()).message).toBe(
      `its answer is refused: it is not signed by the principal, or was changed (signed by ${signer})`,
    )
    answer = (asked) => keysFor(asked, asked.params.addresses.slice(1))
    const partial = await failure()
    expect(partial.message).toBe('its answer is refused: it lacks 1 of 2 contracts (partial)')
    expect(partial.cause).toMatchObject({ code: 'enclave_error' })
  })

  it('is one to be sent elsewhere, to find nobody, or to get no body', async () => {
    answer = (_, response) => {
      response.writeHead(302, { location: url })
      return ''
    }
    expect((await failure()).message).toBe('unexpected redirect')
    answer = (_, response) => void response.writeHead(204).end()
    expect((await failure()).message).toBe('its answer is not JSON')
    answer = (_, response) => void response.destroy()
    expect((await failure()).message).toMatch(/^(?:UND_ERR_SOCKET|ECONNRESET)$/)
  })

  it('is one to take longer than 10 seconds, or to be broken off', async () => {
    const closed = new AbortController()
    answer = () => {
      closed.abort()
      return undefined
    }
    expect((await failure(closed.signal)).message).toBe('AbortError')
    const timeout = vi.spyOn(AbortSignal, 'timeout')
    try {
      timeout.mockReturnValue(AbortSignal.abort(new DOMException('', 'TimeoutError')))
      for (const signal of [undefined, new AbortController().signal]) {
        expect((await failure(signal)).message).toBe('TimeoutError')
      }
      expect(timeout.mock.calls).toEqual([[10_000], [10_000]])
    } finally {
      timeout.mockRestore()
    }
  })
})
