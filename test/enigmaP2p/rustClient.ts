import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Hash } from 'ox'
import { Request } from 'zeromq'
import { type Call, decodeUint64, KeyPair, open, seal, User } from './dapp.ts'
import { type Packed, pack, unpack } from './msgPack.ts'
import type { CoreReply } from './p2pNode.ts'
import { randomAddress } from './worker.ts'

// What the integration tests of enigma-core (enigma-core/app/tests, commit 3c04c262) do on the wire: a fresh REQ socket
// per request, decimal ids, a principal of their own. They read `result` members with fixed types.

const preCode = readFileSync(new URL('../../contracts/ledger/build/ledger.wasm', import.meta.url))

/** A task's reply, and the user who can read its output. */
export interface TaskReply {
  reply: CoreReply
  user: User
}

/** The key that the principal of those tests gives out for a contract. */
export function stateKey(address: string): Uint8Array {
  const hash = Hash.keccak256(Buffer.from(address, 'hex'), { as: 'Bytes' })
  return Hash.sha256(hash, { as: 'Bytes' })
}

export class RustClient {
  readonly #endpoint: string

  constructor(endpoint: string) {
    this.#endpoint = endpoint
  }

  async call(type: string, members: object = {}): Promise<CoreReply> {
    const socket = new Request({ linger: 0, receiveTimeout: 120_000, sendTimeout: 120_000 })
    try {
      socket.connect(this.#endpoint)
      await socket.send(JSON.stringify({ id: String(randomInt(2 ** 32)), ...members, type }))
      const [frame] = await socket.receive()
      return JSON.parse(frame!.toString()) as CoreReply
    } finally {
      socket.close()
    }
  }

  async runPttRound(addresses: readonly string[]): Promise<CoreReply> {
    const { result } = await this.call('GetPTTRequest')
    const request = unpack(Buffer.from(result.request, 'hex')) as { id: Packed; pubkey: number[] }
    const keys = new KeyPair()
    const shared = keys.sharedKey(Buffer.from(request.pubkey).toString('hex'))
    const rows = addresses.map((address) => [[...Buffer.from(address, 'hex')], [...stateKey(address)]])
    const response = pack({
      data: { EncryptedResponse: [...Buffer.from(seal(shared, pack(rows)), 'hex')] },
      id: request.id,
      prefix: [...Buffer.from('Enigma Message')],
      pubkey: [...Buffer.from(keys.publicKey, 'hex')],
    })
    return this.call('PTTResponse', { input: { response: response.toString('hex') } })
  }

  /** Deploys to a fresh address, or without a state key to this one. */
  async deploy(call: Call, address?: string): Promise<TaskReply & { address: string }> {
    const contractAddress = address ?? randomAddress()
    if (address === undefined) await this.runPttRound([contractAddress])
    const user = await this.#exchangeKey()
    const input = {
      preCode: [...preCode],
      ...user.encrypt(call),
      gasLimit: call.gasLimit,
      contractAddress,
    }
    return { reply: await this.call('DeploySecretContract', { input }), user, address: contractAddress }
  }

  async compute(contractAddress: string, call: Call): Promise<TaskReply> {
    const user = await this.#exchangeKey()
    const input = { taskID: randomAddress(), ...user.encrypt(call), gasLimit: call.gasLimit, contractAddress }
    return { reply: await this.call('ComputeTask', { input }), user }
  }

  async #exchangeKey(): Promise<User> {
    const { signingKey } = (await this.call('GetRegistrationParams')).result
    const user = new User()
    user.acceptWorkerKey(signingKey, (await this.call('NewTaskEncryptionKey', { userPubKey: user.publicKey })).result)
    return user
  }
}

export function readUint64({ reply, user }: TaskReply): bigint {
  return decodeUint64(user.decrypt(reply.result.output))
}

/** The delta's patch, and the hash of the delta before it. */
export function openDelta(address: string, delta: number[] | string): [patch: Packed[][], previousHash: Packed] {
  const sealed = typeof delta === 'string' ? delta : Buffer.from(delta).toString('hex')
  return unpack(open(stateKey(address), sealed)) as [Packed[][], Packed]
}

export function sealDelta(address: string, delta: Packed): number[] {
  return [...Buffer.from(seal(stateKey(address), pack(delta)), 'hex')]
}
