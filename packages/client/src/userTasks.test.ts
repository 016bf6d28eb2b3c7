import { bytesToHex, bytesToUtf8, utf8ToBytes } from '@bletchley/bytes'
import {
  addressOf,
  computeFailureItems,
  computeInputsHash,
  computeSuccessItems,
  decrypt,
  deployFailureItems,
  deployInputsHash,
  deploySuccessItems,
  ecdh,
  encrypt,
  generateKeyPair,
  type KeyPair,
  keccak256,
  signItems,
  userMessageItems,
} from '@bletchley/crypto'
import {
  decodeRequest,
  encodeReply,
  type Handlers,
  handle,
  type Input,
  type Reply,
  type ReplyResult,
  type Request,
  replyTo,
  WorkerError,
} from '@bletchley/protocol'
import { afterEach, describe, expect, it } from 'vitest'
import { Router } from 'zeromq'
import { CoreClient } from './coreClient.ts'
import { SecretContract, TaskFailed } from './secretContract.ts'
import { computeFunction, deployContract, type UserCall } from './userTasks.ts'

// The core is a bare socket, so that a test can make it lie.

const contractAddress = new Uint8Array(32).fill(1)
const preCode = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)
const exeCode = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 7)
const exeCodeHash = keccak256(exeCode)
const noHash = new Uint8Array(32)
const ethereum = { payload: Uint8Array.of(1, 2), address: new Uint8Array(20).fill(3) }
const printedEthereum = { payload: '0102', address: '03'.repeat(20) }
const usedGas = 777n
const word = (value: number) => new Uint8Array(32).fill(value, 31)
/** A delta, and what is signed of it. */
const deltaOf = (text: string) => ({ data: utf8ToBytes(text), hash: keccak256(utf8ToBytes(text)) })
const invalidSignature = expect.objectContaining({ code: 'invalid_signature' })

const open: { close(): void }[] = []

afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** A core that does what its handlers say, and refuses all else; it keeps what it was asked. */
async function serve(handlers: Partial<Handlers<undefined>>) {
  const socket = new Router({ linger: 0 })
  await socket.bind('tcp://127.0.0.1:0')
  const requests: Request[] = []
  async function replyOf(request: Request): Promise<Reply> {
    requests.push(request)
    const { id, type } = request
    if (handlers[type] === undefined) return { kind: 'error', id, requestType: type, message: 'Unsupported' }
    try {
      return replyTo(request, await handle(handlers as Handlers<undefined>, request, undefined))
    } catch (error) {
      if (!(error instanceof WorkerError)) throw error
      return { kind: 'error', id, requestType: type, message: error.message }
    }
  }
  const answer = async (): Promise<void> => {
    for await (const [identity, delimiter, frame] of socket) {
      const request = decodeRequest(frame!)
      if (!request.ok) throw new Error(request.message)
      await socket.send([identity!, delimiter!, encodeReply(await replyOf(request), 'document')])
    }
  }
  answer().catch((error: unknown) => {
    if (!socket.closed) throw error
  })
  const client = new CoreClient(socket.lastEndpoint!, { timeoutMs: 2 ** 31 - 1 })
  open.push(client, socket)
  return {
    client,
    requests,
    get types() {
      return requests.map(({ type }) => type)
    },
  }
}

/** What a worker does with its keys, and with the one that it has for a user. */
function makeWorker(signing: KeyPair = generateKeyPair()) {
  let sharedKey: Uint8Array
  const signed = (items: Uint8Array[]) => signItems(signing.secretKey, items)
  const encrypted = (output: Uint8Array) => encrypt(sharedKey, output)
  const ethereumFields = { ethereumPayload: ethereum.payload, ethereumAddress: ethereum.address }
  type TaskInput = Input<'ComputeTask'>
  const inputsOf = ({ encryptedFn, encryptedArgs, userDHKey }: TaskInput) => ({
    encryptedFn,
    encryptedArgs,
    userKey: userDHKey,
  })
  const computeHash = (input: TaskInput) =>
    computeInputsHash({ ...inputsOf(input), contractAddress: input.contractAddress })
  return {
    address: addressOf(signing.publicKey),
    decrypted: (blob: Uint8Array) => decrypt(sharedKey, blob),
    handlers: {
      NewTaskEncryptionKey({ userPubKey }: Input<'NewTaskEncryptionKey'>) {
        const { secretKey, publicKey } = generateKeyPair()
        sharedKey = ecdh(secretKey, userPubKey)
        return { workerEncryptionKey: publicKey, workerSig: signed(userMessageItems(publicKey)) }
      },
      DeploySecretContract(input: Input<'DeploySecretContract'>) {
        const { data, hash: deltaHash } = deltaOf('delta 0')
        const preCodeHash = keccak256(input.preCode)
        const inputsHash = deployInputsHash({ ...inputsOf(input), preCodeHash })
        const { gasLimit } = input
        const items = deploySuccessItems({ inputsHash, exeCodeHash, deltaHash, gasLimit, usedGas, ethereum })
        const delta = { key: 0, data }
        return { output: exeCode, preCodeHash, delta, usedGas, ...ethereumFields, signature: signed(items) }
      },
    },
    deployFailure(input: Input<'DeploySecretContract'>, message: string) {
      const { preCode, gasLimit } = input
      const inputsHash = deployInputsHash({ ...inputsOf(input), preCodeHash: keccak256(preCode) })
      const signature = signed(deployFailureItems({ inputsHash, gasLimit, usedGas }))
      return { failedTask: { output: encrypted(utf8ToBytes(message)), usedGas, signature } }
    },
    computeResult(
      input: TaskInput,
      given: { previousDeltaHash: Uint8Array; delta?: { key: number; data: Uint8Array }; output?: Uint8Array },
    ) {
      const { previousDeltaHash, delta, output = encrypted(word(12)) } = given
      const items = computeSuccessItems({
        exeCodeHash,
        inputsHash: computeHash(input),
        previousDeltaHash,
        newDeltaHash: delta === undefined ? noHash : keccak256(delta.data),
        outputHash: keccak256(output),
        gasLimit: input.gasLimit,
        usedGas,
        ethereum,
      })
      return { output, delta: delta ?? { key: 0 }, usedGas, ...ethereumFields, signature: signed(items) }
    },
    computeFailure(input: TaskInput, message: string) {
      const gas = { gasLimit: input.gasLimit, usedGas }
      const signature = signed(computeFailureItems({ inputsHash: computeHash(input), exeCodeHash, ...gas }))
      return { failedTask: { output: encrypted(utf8ToBytes(message)), usedGas, signature } }
    },
  }
}
type TestWorker = ReturnType<typeof makeWorker>

const callOf = ({ address }: TestWorker): UserCall => ({
  contractAddress,
  callable: 'add(uint256)',
  args: [7],
  gasLimit: 1000n,
  workerAddress: address,
})

const missing = (command: 'get_tip' | 'get_delta') => () => {
  throw new WorkerError('not_found', { command, address: contractAddress })
}
const getContract = () => ({ address: contractAddress, bytecode: exeCode })
const registration = ({ address }: TestWorker) => ({
  signingKey: address,
  report: new Uint8Array(),
  signature: new Uint8Array(),
})

describe.each([
  ['deployContract', (client: CoreClient, call: UserCall) => deployContract(client, preCode, call)],
  ['computeFunction', computeFunction],
] as const)('%s', (_name, run) => {
  const worker = makeWorker()
  const call = callOf(worker)

  it('sends nothing to whoever shows a key that the worker has not signed', async () => {
    const core = await serve(makeWorker().handlers)
    await expect(run(core.client, call)).rejects.toMatchObject({ code: 'invalid_worker' })
    expect(core.types).toEqual(['NewTaskEncryptionKey'])
  })

  it('asks who the worker is where the user has chosen none', async () => {
    const { workerAddress, ...free } = call
    const core = await serve({ ...makeWorker().handlers, GetRegistrationParams: () => registration(worker) })
    await expect(run(core.client, free)).rejects.toMatchObject({ code: 'invalid_worker' })
    expect(core.types).toEqual(['GetRegistrationParams', 'NewTaskEncryptionKey'])
  })

  it('throws what the core refuses with', async () => {
    const core = await serve({ NewTaskEncryptionKey: worker.handlers.NewTaskEncryptionKey })
    await expect(run(core.client, call)).rejects.toMatchObject({ name: 'WorkerError', code: 'unrecognised' })
  })
})

describe('deployContract', () => {
  it('sends the task that was asked for, and opens its result', async () => {
    const worker = makeWorker()
    const core = await serve(worker.handlers)
    const end = await deployContract(core.client, preCode, { ...callOf(worker), callable: ' construct(uint256) ' })
    expect(end).toEqual({
      kind: 'success',
      exeCode,
      exeCodeHash: bytesToHex(exeCodeHash),
      deltaHash: bytesToHex(deltaOf('delta 0').hash),
      usedGas,
      ethereum: printedEthereum,
      verified: { signature: true, output: true, missing: [] },
    })
    expect(core.types).toEqual(['NewTaskEncryptionKey', 'DeploySecretContract'])
    const exchange = core.requests[0]!.input as Input<'NewTaskEncryptionKey'>
    const task = core.requests[1]!.input as Input<'DeploySecretContract'>
    expect(task).toMatchObject({ preCode, contractAddress, gasLimit: 1000n, userDHKey: exchange.userPubKey })
    expect(bytesToUtf8(worker.decrypted(task.encryptedFn))).toBe('construct(uint256)')
    expect(worker.decrypted(task.encryptedArgs)).toEqual(word(7))
  })

  it('opens a failure', async () => {
    const worker = makeWorker()
    const core = await serve({
      ...worker.handlers,
      DeploySecretContract: (input) => worker.deployFailure(input, 'no room'),
    })
    expect(await deployContract(core.client, preCode, callOf(worker))).toEqual({
      kind: 'failed',
      message: 'no room',
      usedGas,
      verified: { signature: true, output: true, missing: [] },
    })
  })

  it('refuses what another worker signed', async () => {
    const worker = makeWorker()
    const other = makeWorker()
    const core = await serve({ ...other.handlers, NewTaskEncryptionKey: worker.handlers.NewTaskEncryptionKey })
    await expect(deployContract(core.client, preCode, callOf(worker))).rejects.toThrow(invalidSignature)
  })
})

describe('computeFunction', () => {
  const worker = makeWorker()
  const call = callOf(worker)
  const tip: ReplyResult<'GetTip'> = { key: 4, data: deltaOf('delta 4').data }
  const common = { ...worker.handlers, GetContract: getContract, GetTip: () => tip }
  const opened = {
    kind: 'success',
    output: word(12),
    usedGas,
    ethereum: printedEthereum,
    verified: { signature: true, output: true, missing: [] },
  }
  const delta = { key: 5, data: deltaOf('delta 5').data }

  it('checks a task with a delta against the delta before it', async () => {
    const core = await serve({
      ...common,
      ComputeTask: (input) => worker.computeResult(input, { previousDeltaHash: deltaOf('another').hash, delta }),
      GetDelta: ({ address, key }) => ({ address, key, data: deltaOf('another').data }),
    })
    expect(await computeFunction(core.client, call)).toEqual({
      ...opened,
      delta: { key: 5, hash: bytesToHex(deltaOf('delta 5').hash) },
    })
    expect(core.types).toEqual(['NewTaskEncryptionKey', 'GetTip', 'ComputeTask', 'GetContract', 'GetDelta'])
    expect(core.requests.slice(1).map(({ input }) => input)).toMatchObject([
      { address: contractAddress },
      { contractAddress, gasLimit: 1000n },
      { address: contractAddress },
      { address: contractAddress, key: 4 },
    ])
  })

  it.each([
    ['delta 0', 0, undefined],
    ['a delta whose predecessor is gone', 5, missing('get_delta')],
  ])('checks a task with %s against no delta', async (_, key, getDelta) => {
    const core = await serve({
      ...common,
      GetTip: missing('get_tip'),
      ComputeTask: (input) =>
        worker.computeResult(input, { previousDeltaHash: noHash, delta: { key, data: delta.data } }),
      ...(getDelta && { GetDelta: getDelta }),
    })
    expect(await computeFunction(core.client, call)).toMatchObject({ kind: 'success', delta: { key } })
    expect(core.types.slice(4)).toEqual(getDelta ? ['GetDelta'] : [])
  })

  it('takes no other refusal of a delta for its absence', async () => {
    const core = await serve({
      ...common,
      ComputeTask: (input) => worker.computeResult(input, { previousDeltaHash: noHash, delta }),
    })
    await expect(computeFunction(core.client, call)).rejects.toMatchObject({ code: 'unrecognised' })
  })

  // Another task may have come in between.
  it.each([
    ['before', 'delta 4', []],
    ['after', 'delta 5', ['GetTip']],
  ])('checks a task without a delta against the tip %s it', async (_, text, further) => {
    const tips = [tip, delta]
    const core = await serve({
      ...common,
      GetTip: () => tips.shift()!,
      ComputeTask: (input) => worker.computeResult(input, { previousDeltaHash: deltaOf(text).hash }),
    })
    expect(await computeFunction(core.client, call)).toEqual({ ...opened, delta: undefined })
    expect(core.types).toEqual(['NewTaskEncryptionKey', 'GetTip', 'ComputeTask', 'GetContract', ...further])
  })

  /** A core that has deltas of some indices before a task without a delta, and others after it. */
  const serveChains = (
    chains: { before: number[]; after?: number[]; textOf?: (key: number) => string; refused?: WorkerError },
    signed: string,
  ) => {
    let { before: keys } = chains
    const { after = keys, textOf = (key) => `delta ${key}`, refused } = chains
    const dataOf = (key: number) => deltaOf(textOf(key)).data
    return serve({
      ...common,
      GetTip: (input) => (keys.length === 0 ? missing('get_tip')() : tipOf(input)),
      GetDelta: ({ address, key }) =>
        keys.includes(key) ? { address, key, data: dataOf(key) } : missing('get_delta')(),
      GetDeltas({ ranges }) {
        if (refused !== undefined) throw refused
        const rows = ranges.flatMap(({ address, from, to }) =>
          keys.filter((key) => key >= from && key < to).map((key) => ({ address, key, data: dataOf(key) })),
        )
        return { deltas: rows }
      },
      ComputeTask(input) {
        keys = after
        return worker.computeResult(input, { previousDeltaHash: deltaOf(signed).hash })
      },
    })
    function tipOf({ address }: Input<'GetTip'>) {
      const key = Math.max(...keys)
      return { address, key, data: dataOf(key) }
    }
  }
  const upTo = (end: number) => Array.from({ length: end }, (_, key) => key)
  const largest = 2 ** 32 - 1

  it.each([
    ['in front of a hole', 'delta 1', { before: [0, 1, 3] }],
    ['in front of a tip that is far away', 'delta 1', { before: [0, 1, 1000] }],
    ['in front of a tip of the largest index', 'delta 1', { before: [0, 1, largest] }],
    ['in front of the first of some holes', 'delta 4', { before: [0, 1, 2, 3, 4, 6, 7, 8, 9, 12, 13, 5000] }],
    ['in front of a small hole in a long chain', 'delta 150', { before: upTo(600).filter((key) => key !== 151) }],
    ['between the tips', 'delta 6', { before: upTo(5), after: upTo(10) }],
    ['a page before the tip', 'delta 5', { before: upTo(5), after: upTo(300) }],
    ['between no tip and one', 'delta 0', { before: [], after: upTo(3) }],
    ['between the tips, with a far one behind', 'delta 6', { before: upTo(5), after: [...upTo(10), 5000] }],
    ['in front of a hole that is filled meanwhile', 'delta 1', { before: [0, 1, 9], after: upTo(6) }],
  ])('checks a task without a delta against the one %s', async (_, signed, chains) => {
    const { client, types } = await serveChains(chains, signed)
    expect(await computeFunction(client, call)).toEqual({ ...opened, delta: undefined })
    expect(types.length).toBeLessThan(60)
  })

  it.each([
    ['no delta at all', 'another', { before: [0, 1, 3], after: [0, 1, 3, 4, 5] }],
    // The core was at a later one already when the task began.
    ['a delta before the tip', 'delta 3', { before: upTo(6), after: upTo(9) }],
    ['a delta behind which there is another, before a hole', 'delta 0', { before: [0, 1, 3] }],
  ])('refuses a task without a delta that fits %s', async (_, signed, chains) => {
    const { client } = await serveChains(chains, signed)
    await expect(computeFunction(client, call)).rejects.toMatchObject({
      code: 'invalid_signature',
      message: 'The result is not what this worker signed for this task',
    })
  })

  const tooLarge = new WorkerError('limit_exceeded', { limit: 'bytes in a message', maximum: 1 })
  it.each([
    ['so many deltas are there that not all are looked at', { before: upTo(5000) }],
    ['so large ones', { before: upTo(40), textOf: (key: number) => `${key}`.padEnd(1024 * 1024) }],
    ['ones that the core cannot send', { before: [0, 1, 3], refused: tooLarge }],
    ['the tip before the task is gone', { before: upTo(6), after: upTo(4) }],
    ['all deltas are gone', { before: upTo(6), after: [] }],
  ])('blames no worker where %s', async (_, chains) => {
    const { client, requests } = await serveChains(chains, 'another')
    await expect(computeFunction(client, call)).rejects.toMatchObject({
      code: 'invalid_signature',
      message: expect.stringContaining('could not be checked'),
    })
    const widths = requests.flatMap(({ type, input }) =>
      type === 'GetDeltas' ? (input as Input<'GetDeltas'>).ranges.map(({ from, to }) => to - from) : [],
    )
    expect(Math.max(0, ...widths)).toBeLessThanOrEqual(64)
    expect(widths.reduce((sum, width) => sum + width, 0)).toBeLessThanOrEqual(4096)
  })

  it('asks for fewer deltas at once where they are too large for a message', async () => {
    const core = await serveChains({ before: upTo(5), after: upTo(40) }, 'delta 5')
    const { getDeltas } = core.client.methods
    core.client.methods.getDeltas = (input) => {
      const { from, to } = input.ranges[0]!
      return to - from > 4 ? Promise.reject(tooLarge) : getDeltas(input)
    }
    expect(await computeFunction(core.client, call)).toMatchObject({ kind: 'success' })
  })

  it('says what else is wrong with a task whose signature fits', async () => {
    const tips = [tip, delta]
    const core = await serve({
      ...common,
      GetTip: () => tips.shift()!,
      ComputeTask: (input) =>
        worker.computeResult(input, { previousDeltaHash: deltaOf('delta 4').hash, output: new Uint8Array(40) }),
    })
    await expect(computeFunction(core.client, call)).rejects.toMatchObject({ code: 'undecryptable' })
  })

  it('checks a task against the code that is deployed', async () => {
    const core = await serve({
      ...common,
      GetContract: () => ({ address: contractAddress, bytecode: preCode }),
      GetDelta: ({ address, key }) => ({ address, key, data: deltaOf(`delta ${key}`).data }),
      GetDeltas: () => ({ deltas: [] }),
      ComputeTask: (input) => worker.computeResult(input, { previousDeltaHash: deltaOf('delta 4').hash }),
    })
    await expect(computeFunction(core.client, call)).rejects.toThrow(invalidSignature)
  })

  it('opens a failure, and checks it likewise', async () => {
    const handlers: Partial<Handlers<undefined>> = {
      ...common,
      ComputeTask: (input) => worker.computeFailure(input, 'too few'),
    }
    expect(await computeFunction((await serve(handlers)).client, call)).toEqual({
      kind: 'failed',
      message: 'too few',
      usedGas,
      verified: { signature: true, output: true, missing: [] },
    })
    const { client } = await serve({
      ...handlers,
      GetContract: () => ({ address: contractAddress, bytecode: preCode }),
    })
    await expect(computeFunction(client, call)).rejects.toThrow(invalidSignature)
  })
})

describe('SecretContract', () => {
  const worker = makeWorker()
  const outputs = [{ name: '', type: 'uint64' }]
  const handlers: Partial<Handlers<undefined>> = {
    ...worker.handlers,
    GetRegistrationParams: () => registration(worker),
    GetContract: ({ address }) => ({ address, bytecode: exeCode }),
    GetTip: missing('get_tip'),
    ComputeTask: (input) => worker.computeResult(input, { previousDeltaHash: noHash }),
  }
  const gasLimits = (requests: Request[]) =>
    requests.flatMap(({ input }) => (input !== undefined && 'gasLimit' in input ? [input.gasLimit] : []))

  it('is deployed at a random address, and computes with 100 million gas at the most, if not told otherwise', async () => {
    const { client, requests } = await serve(handlers)
    const contract = await SecretContract.deploy(client, preCode, 'construct()', [])
    const other = await SecretContract.deploy(client, preCode, 'construct()', [])
    expect(contract.address).toHaveLength(32)
    expect(contract.address).not.toEqual(other.address)
    expect(contract.client).toBe(client)
    expect(await contract.compute('add(uint256)', outputs, [7])).toEqual({
      value: 12n,
      usedGas,
      delta: undefined,
      ethereum: printedEthereum,
    })
    expect(gasLimits(requests)).toEqual([100_000_000n, 100_000_000n, 100_000_000n])
    expect(requests.at(-2)!.input).toMatchObject({ contractAddress: contract.address })
  })

  it('keeps to the address, the worker and the gas limit that it was given', async () => {
    const { client, requests } = await serve(handlers)
    const options = { gasLimit: 5000n, workerAddress: worker.address }
    const contract = await SecretContract.deploy(client, preCode, 'construct()', [], {
      address: contractAddress,
      ...options,
    })
    await contract.compute('add(uint256)', outputs, [7])
    await new SecretContract(client, contractAddress, options).compute('add(uint256)', outputs, [7])
    expect(contract.address).toEqual(contractAddress)
    expect(gasLimits(requests)).toEqual([5000n, 5000n, 5000n])
    expect(requests.map(({ type }) => type)).not.toContain('GetRegistrationParams')
  })

  it('tells the key of a new delta', async () => {
    const delta = { key: 0, data: deltaOf('delta 0').data }
    const { client } = await serve({
      ...handlers,
      ComputeTask: (input) => worker.computeResult(input, { previousDeltaHash: noHash, delta }),
    })
    expect(await new SecretContract(client, contractAddress).compute('f()', outputs, [])).toMatchObject({ delta: 0 })
  })

  it('throws the reason of a task that failed', async () => {
    const { client } = await serve({
      ...handlers,
      DeploySecretContract: (input) => worker.deployFailure(input, 'no room'),
      ComputeTask: (input) => worker.computeFailure(input, 'too few'),
    })
    const deployment = SecretContract.deploy(client, preCode, 'construct()', [])
    await expect(deployment).rejects.toMatchObject({ name: 'TaskFailed', message: 'no room', usedGas })
    await expect(deployment).rejects.toBeInstanceOf(TaskFailed)
    const computation = new SecretContract(client, contractAddress).compute('f()', outputs, [])
    await expect(computation).rejects.toMatchObject({ name: 'TaskFailed', message: 'too few', usedGas })
  })
})
