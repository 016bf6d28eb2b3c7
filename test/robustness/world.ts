import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { decrypt, ecdh, encrypt, generateKeyPair } from '@bletchley/crypto'
import { type CoreProcess, startCoreProcess, TestPrincipal } from '@bletchley/testkit'
import { expect } from 'vitest'
import createWabt from 'wabt'
import { type WireReply, WireSocket } from '../wireSocket.ts'

export const address = (byte: number): string => byte.toString(16).padStart(2, '0').repeat(32)
/** A contract that is there from the start, with bytecode and one delta. */
export const known = address(0x0a)
export const unknown = address(0xee)
export const principal = new TestPrincipal()

export const enclave = (name: string): string => `Error inside the Enclave = (${name})`
const escapePattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** What a user and a worker share for one task. */
export interface Shared {
  userDHKey: string
  key: Uint8Array
}

interface Task {
  contract: string
  fn?: string | Uint8Array
  args?: string
  preCode?: Uint8Array
  gasLimit?: number
  shared?: Shared
}

/** A core with one contract, and a peer that writes its requests by hand. */
export class World implements AsyncDisposable {
  readonly core: CoreProcess
  readonly socket: WireSocket
  readonly #wabt: Awaited<ReturnType<typeof createWabt>>
  #untouched = ''
  #contracts = 0x40

  private constructor(core: CoreProcess, wabt: Awaited<ReturnType<typeof createWabt>>) {
    this.core = core
    this.socket = new WireSocket(core.endpoint)
    this.#wabt = wabt
  }

  static async start(): Promise<World> {
    const world = new World(await startCoreProcess(), await createWabt())
    const delta = { key: 0, data: [1, 2, 3] }
    const contract = { type: 'UpdateNewContractOnDeployment', address: known, bytecode: '0011223344', delta }
    await world.socket.askOne({ id: 'setup', ...contract })
    world.#untouched = await world.readDatabase()
    return world
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket[Symbol.dispose]()
    await this.core[Symbol.asyncDispose]()
  }

  assemble(wat: string): Uint8Array {
    const module = this.#wabt.parseWat('contract.wat', wat)
    try {
      return module.toBinary({}).buffer
    } finally {
      module.destroy()
    }
  }

  /** Everything that the worker tells of its database. */
  async readDatabase(): Promise<string> {
    const tips = await this.socket.askOne({ id: 'tips', type: 'GetAllTips' })
    const addresses = await this.socket.askOne({ id: 'addresses', type: 'GetAllAddrs' })
    const contract = await this.socket.askOne({ id: 'contract', type: 'GetContract', input: known })
    return JSON.stringify([tips, addresses, contract])
  }

  /** The database is as it was in the beginning, and the process lives. */
  async expectUntouched(): Promise<void> {
    expect(await this.readDatabase()).toBe(this.#untouched)
    expect(this.core.process.running).toBe(true)
  }

  /** Expects an error reply with this id, and nothing changed. */
  async expectError(frame: string | Uint8Array | object, id: unknown, text?: string | RegExp): Promise<void> {
    const reply = await this.socket.askOne(frame)
    expect(reply).toMatchObject({ id, msg: expect.any(String) })
    expect(reply).not.toHaveProperty('result')
    if (text !== undefined)
      expect(reply.msg).toMatch(text instanceof RegExp ? text : new RegExp(`^${escapePattern(text)}$`))
    await this.expectUntouched()
  }

  async exchangeKeys(): Promise<Shared> {
    const user = generateKeyPair()
    const userDHKey = bytesToHex(user.publicKey)
    const { result } = await this.socket.askOne({ id: 'key', type: 'NewTaskEncryptionKey', userPubKey: userDHKey })
    return { userDHKey, key: ecdh(user.secretKey, hexToBytes(result!.workerEncryptionKey as string)) }
  }

  async installKey(contract: string): Promise<WireReply> {
    const request = await this.socket.askOne({ id: 'ptt', type: 'GetPTTRequest' })
    const { response } = principal.answer(hexToBytes(request.result!.request as string), [hexToBytes(contract)])
    return this.socket.askOne({ id: 'ptt', type: 'PTTResponse', input: { response: bytesToHex(response) } })
  }

  /** A contract's address that no other test uses, with its state key installed. */
  async newContract(bytecode?: Uint8Array): Promise<string> {
    const contract = this.nextAddress()
    if (bytecode !== undefined) {
      await this.socket.askOne({ id: 'new', type: 'UpdateNewContract', address: contract, bytecode: [...bytecode] })
    }
    await this.installKey(contract)
    return contract
  }

  nextAddress(): string {
    return address(this.#contracts++)
  }

  /** Runs a task with a fresh user key; opens its error text. */
  async runTask({ contract, fn = 'f()', args = '', preCode, gasLimit = 10_000_000, shared }: Task) {
    const { userDHKey, key } = shared ?? (await this.exchangeKeys())
    const encryptedFn = bytesToHex(typeof fn === 'string' ? encrypt(key, utf8ToBytes(fn)) : fn)
    const input = { encryptedFn, encryptedArgs: args, userDHKey, gasLimit, contractAddress: contract }
    const reply = await this.socket.askOne(
      preCode === undefined
        ? { id: 'task', type: 'ComputeTask', input }
        : { id: 'task', type: 'DeploySecretContract', input: { ...input, preCode: [...preCode] } },
    )
    expect(reply.id).toBe('task')
    expect(this.core.process.running).toBe(true)
    const output = reply.type === 'FailedTask' ? hexToBytes(reply.result!.output as string) : undefined
    return { reply, failure: output && new TextDecoder().decode(decrypt(key, output)) }
  }
}
