import { inspect } from 'node:util'
import { bytesToHex, bytesToUtf8, concatBytes, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
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
  keccak256,
  lengthPrefixed,
  signItems,
  userMessageItems,
} from '@bletchley/crypto'
import { describe, expect, it } from 'vitest'
import {
  type ComputeResult,
  createTask,
  createUserKeys,
  type DeployResult,
  decodeOutput,
  encodeArguments,
  openComputeResult,
  openDeployResult,
  openFailedTask,
  prepareCompute,
  prepareDeploy,
  Secret,
  verifyWorkerKey,
} from './index.ts'

const contractAddress = 'ab'.repeat(32)
const preCode = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)
const exeCode = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 7)
const noEthereum = { payload: new Uint8Array(), address: new Uint8Array(20) }
const gasLimit = 100_000n
const invalidSignature = expect.objectContaining({ code: 'invalid_signature' })

/** A worker of the test's own, built of nothing but the primitives and the lists of spec/crypto.md. */
function makeWorker() {
  const signing = generateKeyPair()
  const signed = (items: Uint8Array[]) => bytesToHex(signItems(signing.secretKey, items))
  const signingKey = bytesToHex(addressOf(signing.publicKey))
  return {
    signingKey,
    exchange(userPubKey: string) {
      const { secretKey, publicKey } = generateKeyPair()
      const sharedKey = ecdh(secretKey, hexToBytes(userPubKey))
      const key = { workerEncryptionKey: bytesToHex(publicKey), workerSig: signed(userMessageItems(publicKey)) }
      return { key, sharedKey }
    },
    signed,
  }
}

function scenario({ callable = 'add(uint256,address)', args = ['5', '01'.repeat(20)] as unknown[] } = {}) {
  const worker = makeWorker()
  const userKeys = createUserKeys()
  const { key, sharedKey } = worker.exchange(userKeys.publicKey)
  verifyWorkerKey({ ...key, signingKey: worker.signingKey })
  const call = createTask({ ...key, callable, args, userKeys })
  return { worker, userKeys, key, sharedKey, call, signingKey: worker.signingKey }
}

type Input = { encryptedFn: string; encryptedArgs: string; userDHKey: string }
const inputsOf = ({ encryptedFn, encryptedArgs, userDHKey }: Input) => ({
  encryptedFn: hexToBytes(encryptedFn),
  encryptedArgs: hexToBytes(encryptedArgs),
  userKey: hexToBytes(userDHKey),
})

function deployed({ usedGas = 10_241n } = {}) {
  const made = scenario({ callable: 'construct()', args: [] })
  const task = prepareDeploy({ call: made.call, preCode, contractAddress, gasLimit })
  const delta = Uint8Array.of(0, 255, ...encrypt(new Uint8Array(32), Uint8Array.of(1, 2, 3)))
  const inputsHash = deployInputsHash({ ...inputsOf(task.input), preCodeHash: keccak256(preCode) })
  const ethereum = { payload: Uint8Array.of(1, 2), address: new Uint8Array(20).fill(3) }
  const items = deploySuccessItems({
    inputsHash,
    exeCodeHash: keccak256(exeCode),
    deltaHash: keccak256(delta),
    gasLimit,
    usedGas,
    ethereum,
  })
  const result: DeployResult = {
    output: bytesToHex(exeCode),
    preCodeHash: bytesToHex(keccak256(preCode)),
    delta: { key: 0, data: [...delta] },
    usedGas,
    ethereumPayload: '0102',
    ethereumAddress: '03'.repeat(20),
    signature: made.worker.signed(items),
  }
  return { ...made, task, delta, result }
}

function computed({ changes = true, output = encodeArguments(['uint256'], [12n]) as Uint8Array | 'absent' } = {}) {
  const made = scenario()
  const task = prepareCompute({ call: made.call, contractAddress, gasLimit })
  const exeCodeHash = keccak256(exeCode)
  const previousDeltaHash = keccak256(utf8ToBytes('delta 4'))
  const delta = encrypt(new Uint8Array(32), Uint8Array.of(9))
  const encrypted = output === 'absent' ? new Uint8Array() : encrypt(made.sharedKey, output)
  const items = computeSuccessItems({
    exeCodeHash,
    inputsHash: computeInputsHash({ ...inputsOf(task.input), contractAddress: hexToBytes(contractAddress) }),
    previousDeltaHash,
    newDeltaHash: changes ? keccak256(delta) : new Uint8Array(32),
    outputHash: keccak256(encrypted),
    gasLimit,
    usedGas: 20_000n,
    ethereum: noEthereum,
  })
  const result: ComputeResult = {
    output: bytesToHex(encrypted),
    delta: changes ? { key: 5, data: bytesToHex(delta) } : { key: 0 },
    usedGas: '20000',
    ethereumPayload: '',
    ethereumAddress: '00'.repeat(20),
    signature: made.worker.signed(items),
  }
  return { ...made, task, delta, exeCodeHash, previousDeltaHash, result }
}

function failed(kind: 'deploy' | 'compute', message = 'Invocation resulted in gas limit violated') {
  const made = scenario()
  const { call } = made
  const task =
    kind === 'deploy'
      ? prepareDeploy({ call, preCode, contractAddress, gasLimit })
      : prepareCompute({ call, contractAddress, gasLimit })
  const common = { inputsHash: hexToBytes(task.inputsHash), gasLimit, usedGas: gasLimit }
  const exeCodeHash = keccak256(exeCode)
  const items = kind === 'deploy' ? deployFailureItems(common) : computeFailureItems({ ...common, exeCodeHash })
  const output = bytesToHex(encrypt(made.sharedKey, utf8ToBytes(message)))
  return { ...made, task, exeCodeHash, result: { output, usedGas: gasLimit, signature: made.worker.signed(items) } }
}

/** Each byte of a hexadecimal text changed, one after the other. */
const alterations = (hex: string) =>
  Array.from({ length: hex.length / 2 }, (_, at) =>
    bytesToHex(hexToBytes(hex).map((byte, i) => (i === at ? byte ^ 1 : byte))),
  )

describe('verifyWorkerKey', () => {
  it('accepts the key that the worker signed, with or without 0x, 04 and upper case', () => {
    const { key, signingKey } = scenario()
    const workerEncryptionKey = `0x04${key.workerEncryptionKey.toUpperCase()}`
    verifyWorkerKey({
      workerEncryptionKey,
      workerSig: `0x${key.workerSig}`,
      signingKey: `0x${signingKey.toUpperCase()}`,
    })
    verifyWorkerKey({
      workerEncryptionKey: hexToBytes(key.workerEncryptionKey),
      workerSig: hexToBytes(key.workerSig),
      signingKey: hexToBytes(signingKey),
    })
  })

  // spec/user.md 1: the form of the signed bytes, written out there digit by digit.
  it('expects a signature over the documented bytes', () => {
    const { key } = scenario()
    const documented = hexToBytes(
      `0000000000000013${bytesToHex(utf8ToBytes('Enigma User Message'))}0000000000000040${key.workerEncryptionKey}`,
    )
    expect(lengthPrefixed(userMessageItems(hexToBytes(key.workerEncryptionKey)))).toEqual(documented)
  })

  it('refuses the key of another worker, and every change of a byte', () => {
    const { key, signingKey } = scenario()
    const other = scenario()
    const refused = expect.objectContaining({ code: expect.stringMatching(/^invalid_(worker|key)$/) })
    expect(() => verifyWorkerKey({ ...key, signingKey: other.signingKey })).toThrow(refused)
    expect(() => verifyWorkerKey({ ...other.key, signingKey })).toThrow(refused)
    for (const name of ['workerEncryptionKey', 'workerSig'] as const) {
      for (const [i, altered] of alterations(key[name]).entries()) {
        expect(() => verifyWorkerKey({ ...key, signingKey, [name]: altered }), `${name} byte ${i}`).toThrow(refused)
      }
    }
  })

  it.each([
    ['workerEncryptionKey', '', 'invalid_key', 'workerEncryptionKey is not a public key of secp256k1'],
    ['workerEncryptionKey', '00'.repeat(64), 'invalid_key', 'workerEncryptionKey is not a public key of secp256k1'],
    [
      'workerEncryptionKey',
      'xy',
      'malformed',
      'workerEncryptionKey must be hexadecimal, with an even number of digits',
    ],
    ['workerSig', '00'.repeat(64), 'malformed', 'signature must be 65 bytes, got 64'],
    ['workerSig', '00'.repeat(66), 'malformed', 'signature must be 65 bytes, got 66'],
    ['workerSig', 5, 'malformed', 'signature must be hexadecimal text or bytes'],
    ['signingKey', '00'.repeat(19), 'malformed', 'signingKey must be 20 bytes, got 19'],
    ['signingKey', '00'.repeat(21), 'malformed', 'signingKey must be 20 bytes, got 21'],
  ])('refuses %s %j as %s', (name, value, code, message) => {
    const { key, signingKey } = scenario()
    expect(() => verifyWorkerKey({ ...key, signingKey, [name]: value })).toThrow(
      expect.objectContaining({ code, message }),
    )
  })
})

describe('a task', () => {
  it('is what the worker can open', () => {
    const { call, sharedKey } = scenario()
    expect(bytesToUtf8(decrypt(sharedKey, hexToBytes(call.encryptedFn)))).toBe('add(uint256,address)')
    expect(bytesToHex(decrypt(sharedKey, hexToBytes(call.encryptedArgs)))).toBe(
      '5'.padStart(64, '0') + '01'.repeat(20).padStart(64, '0'),
    )
    expect(call.sharedKey.bytes).toEqual(sharedKey)
  })

  it('without arguments sends the encryption of nothing', () => {
    const { call, sharedKey } = scenario({ callable: 'construct()', args: [] })
    expect(call.encryptedArgs).toHaveLength(56)
    expect(decrypt(sharedKey, hexToBytes(call.encryptedArgs))).toHaveLength(0)
  })

  it('never shows its keys', () => {
    const { call, userKeys, sharedKey } = scenario()
    const task = prepareCompute({ call, contractAddress, gasLimit })
    const shown = inspect({ call, userKeys, task }, { depth: 9, showHidden: true }) + JSON.stringify({ call, userKeys })
    expect(shown).toContain('[secret]')
    expect(shown).not.toContain(bytesToHex(sharedKey))
    expect(shown).not.toContain(bytesToHex(userKeys.secretKey.bytes))
  })

  it('has new keys each time, or those of a given secret', () => {
    expect(createUserKeys().publicKey).not.toBe(createUserKeys().publicKey)
    const secret = 'cdbd854f10463bf67be34240f4bcbc93e9fcd5852c9dad8d325d28822c632bcd'
    expect(createUserKeys(`0x${secret}`).publicKey).toMatch(/^6177bb25ffbd65c8/)
    for (const wrong of ['', '00'.repeat(32), 'ff'.repeat(32), '01'.repeat(31)]) {
      expect(() => createUserKeys(wrong), wrong).toThrow(
        expect.objectContaining({ code: 'invalid_key', message: 'The secret is not a key of secp256k1' }),
      )
    }
    expect(() => createUserKeys('xy')).toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  it('refuses arguments that do not fit the call', () => {
    const { key, userKeys } = scenario()
    const create = (callable: string, args: unknown[]) => createTask({ ...key, callable, args, userKeys })
    const invalid = expect.objectContaining({ code: 'invalid_arguments' })
    expect(() => create('add(uint256)', [])).toThrow(invalid)
    expect(() => create('add', [])).toThrow(invalid)
    expect(() => create('add(uint8)', [300])).toThrow(invalid)
  })

  it('has the input of the message, in lower-case hexadecimal', () => {
    const { call } = scenario()
    const deploy = prepareDeploy({
      call,
      preCode,
      contractAddress: `0x${contractAddress.toUpperCase()}`,
      gasLimit: '7',
    })
    const { encryptedFn, encryptedArgs, userDHKey } = call
    const common = { encryptedFn, encryptedArgs, userDHKey, gasLimit: 7n, contractAddress }
    expect(deploy.input).toEqual({ ...common, preCode: '0061736d01000000' })
    const compute = prepareCompute({ call, contractAddress: hexToBytes(contractAddress), gasLimit: 7 })
    expect(compute.input).toEqual(common)
    // spec/user.md 1: the hash covers the decoded bytes, each preceded by its length as 8 bytes.
    const lengths = (length: number) => hexToBytes(length.toString(16).padStart(16, '0'))
    const items = [
      hexToBytes(encryptedFn),
      hexToBytes(encryptedArgs),
      hexToBytes(contractAddress),
      hexToBytes(userDHKey),
    ]
    const prefixed = items.flatMap((item) => [lengths(item.length), item])
    expect(compute.inputsHash).toBe(bytesToHex(keccak256(concatBytes(...prefixed))))
  })

  it.each(['-1', '1.5', 'x', '', -1, 1.5, 2 ** 53, Number.NaN, -1n, 2n ** 64n])('refuses the gas limit %s', (limit) => {
    const { call } = scenario()
    expect(() => prepareCompute({ call, contractAddress, gasLimit: limit })).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    )
  })
})

describe('the result of a deployment', () => {
  it('is opened and verified', () => {
    const { task, signingKey, result, delta } = deployed()
    expect(openDeployResult({ task, signingKey, result })).toEqual({
      exeCode,
      exeCodeHash: bytesToHex(keccak256(exeCode)),
      deltaHash: bytesToHex(keccak256(delta)),
      usedGas: 10_241n,
      ethereum: { payload: '0102', address: '03'.repeat(20) },
      verified: { signature: true, output: true, missing: [] },
    })
  })

  it('is taken as bytes and bigint, too', () => {
    const { task, signingKey, result, delta } = deployed()
    const bytes = { ...result, output: exeCode, delta: { key: 0, data: delta }, usedGas: 10_241n }
    expect(openDeployResult({ task, signingKey, result: bytes }).verified.signature).toBe(true)
  })

  it('is refused when any byte of it, of the task or of the worker is another', () => {
    const { task, signingKey, result, delta } = deployed()
    const open =
      (change: object, of: object = {}, key = signingKey) =>
      () =>
        openDeployResult({ task: { ...task, ...of }, signingKey: key, result: { ...result, ...change } })
    for (const name of ['output', 'preCodeHash', 'ethereumPayload', 'ethereumAddress', 'signature'] as const) {
      for (const [i, altered] of alterations(String(result[name])).entries()) {
        expect(open({ [name]: altered }), `${name} byte ${i}`).toThrow(invalidSignature)
      }
    }
    for (const [i, data] of alterations(bytesToHex(delta)).entries()) {
      expect(open({ delta: { key: 0, data } }), `delta byte ${i}`).toThrow(invalidSignature)
    }
    for (const [i, key] of alterations(signingKey).entries()) {
      expect(open({}, {}, key), `signing key byte ${i}`).toThrow(invalidSignature)
    }
    for (const [i, inputsHash] of alterations(task.inputsHash).entries()) {
      expect(open({}, { inputsHash }), `inputs hash byte ${i}`).toThrow(invalidSignature)
    }
    expect(open({ usedGas: 10_240 })).toThrow(invalidSignature)
    expect(open({ ethereumPayload: '' })).toThrow(invalidSignature)
    expect(open({}, { gasLimit: gasLimit + 1n })).toThrow(invalidSignature)
    expect(open({ signature: '00'.repeat(65) })).toThrow(invalidSignature)
  })

  it('is refused beyond the gas limit, whoever signed it', () => {
    const atLimit = deployed({ usedGas: gasLimit })
    expect(openDeployResult(atLimit).usedGas).toBe(gasLimit)
    expect(() => openDeployResult(deployed({ usedGas: gasLimit + 1n }))).toThrow('more gas than the limit')
  })

  it.each<[string, object]>([
    ['output that is no text', { output: 5 }],
    ['output that is no hexadecimal', { output: 'x' }],
    ['a delta with 256', { delta: { key: 0, data: [256] } }],
    ['a delta with -1', { delta: { key: 0, data: [-1] } }],
    ['a delta with a half', { delta: { key: 0, data: [1.5] } }],
    ['a delta that is no list', { delta: { key: 0, data: 5 } }],
    ['a delta of something that is like a list', { delta: { key: 0, data: { some: () => false, length: 0 } } }],
    ['a short preCodeHash', { preCodeHash: '00'.repeat(31) }],
    ['negative gas', { usedGas: -1 }],
    ['a short signature', { signature: '00' }],
    ['a long address', { ethereumAddress: '00'.repeat(32) }],
  ])('is malformed with %s', (_, change) => {
    const { task, signingKey, result } = deployed()
    expect(() => openDeployResult({ task, signingKey, result: { ...result, ...change } })).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    )
  })
})

describe('the result of a computation', () => {
  it('is opened, decoded and verified', () => {
    const { task, signingKey, result, exeCodeHash, previousDeltaHash, delta } = computed()
    const opened = openComputeResult({ task, signingKey, result, exeCodeHash, previousDeltaHash })
    expect(opened).toEqual({
      output: encodeArguments(['uint256'], [12n]),
      delta: { key: 5, hash: bytesToHex(keccak256(delta)) },
      usedGas: 20_000n,
      ethereum: { payload: '', address: '00'.repeat(20) },
      verified: { signature: true, output: true, missing: [] },
    })
    expect(decodeOutput(['uint256'], opened.output)).toEqual([12n])
  })

  it.each<[string, { data?: string | number[] }]>([
    ['absent', {}],
    ['empty text', { data: '' }],
    ['an empty list', { data: [] }],
  ])('without a change of state is verified with data %s', (_, data) => {
    const { task, signingKey, result, exeCodeHash, previousDeltaHash } = computed({ changes: false })
    const opened = openComputeResult({
      task,
      signingKey,
      result: { ...result, delta: { key: 0, ...data } },
      exeCodeHash,
      previousDeltaHash,
    })
    expect(opened).toMatchObject({ delta: undefined, verified: { signature: true } })
  })

  it('that returned nothing is empty in both dialects; unsigned, an empty text vouches for nothing', () => {
    for (const output of [new Uint8Array(), 'absent' as const]) {
      const { task, signingKey, result, exeCodeHash, previousDeltaHash } = computed({ output })
      const opened = openComputeResult({ task, signingKey, result, exeCodeHash, previousDeltaHash })
      expect(opened).toMatchObject({ output: new Uint8Array(), verified: { signature: true, output: true } })
      const unsigned = openComputeResult({ task, signingKey, result })
      expect(unsigned.verified).toMatchObject({ signature: false, output: output !== 'absent' })
    }
  })

  it('says what was not checked, and why', () => {
    const { task, signingKey, result, exeCodeHash, previousDeltaHash } = computed()
    const open = (known: object) => openComputeResult({ task, signingKey, result, ...known }).verified
    expect(open({})).toEqual({ signature: false, output: true, missing: ['exeCodeHash', 'previousDeltaHash'] })
    expect(open({ exeCodeHash })).toEqual({ signature: false, output: true, missing: ['previousDeltaHash'] })
    expect(open({ previousDeltaHash })).toEqual({ signature: false, output: true, missing: ['exeCodeHash'] })
  })

  it('is refused when any byte that is signed is another', () => {
    const made = computed()
    const { task, signingKey, result, delta } = made
    const known = {
      exeCodeHash: bytesToHex(made.exeCodeHash),
      previousDeltaHash: bytesToHex(made.previousDeltaHash),
    }
    const open =
      (change: object, of: object = {}) =>
      () =>
        openComputeResult({ task: { ...task, ...of }, signingKey, result: { ...result, ...change }, ...known })
    for (const name of ['output', 'ethereumAddress', 'signature'] as const) {
      for (const [i, altered] of alterations(String(result[name])).entries()) {
        expect(open({ [name]: altered }), `${name} byte ${i}`).toThrow(invalidSignature)
      }
    }
    for (const [i, data] of alterations(bytesToHex(delta)).entries()) {
      expect(open({ delta: { key: 5, data } }), `delta byte ${i}`).toThrow(invalidSignature)
    }
    for (const name of ['exeCodeHash', 'previousDeltaHash'] as const) {
      for (const [i, altered] of alterations(known[name]).entries()) {
        expect(
          () => openComputeResult({ task, signingKey, result, ...known, [name]: altered }),
          `${name} byte ${i}`,
        ).toThrow(invalidSignature)
      }
    }
    expect(open({ delta: { key: 0 } })).toThrow(invalidSignature)
    expect(open({ output: '' })).toThrow(invalidSignature)
    expect(open({ usedGas: 20_001 })).toThrow(invalidSignature)
    expect(open({ ethereumPayload: '00' })).toThrow(invalidSignature)
    expect(open({}, { gasLimit: 20_000n })).toThrow(invalidSignature)
    expect(open({}, { inputsHash: '00'.repeat(32) })).toThrow(invalidSignature)
  })

  it('of another task or key cannot be decrypted, also where no signature is checked', () => {
    const { task, signingKey, result } = computed()
    const undecryptable = expect.objectContaining({ code: 'undecryptable' })
    expect(() =>
      openComputeResult({ task: { ...task, sharedKey: scenario().call.sharedKey }, signingKey, result }),
    ).toThrow(undecryptable)
    for (const [i, output] of [...alterations(String(result.output)), '00', '00'.repeat(20)].entries()) {
      expect(() => openComputeResult({ task, signingKey, result: { ...result, output } }), `output ${i}`).toThrow(
        undecryptable,
      )
    }
  })

  it.each(['encryptedArgs', 'encryptedFn'] as const)('is not %s, which the same key opens', (sent) => {
    const { task, signingKey, result } = computed()
    const output = task.input[sent]
    expect(() => openComputeResult({ task, signingKey, result: { ...result, output } })).toThrow(invalidSignature)
    const bytes = { ...result, output: hexToBytes(output) }
    expect(() => openComputeResult({ task, signingKey, result: bytes })).toThrow(invalidSignature)
  })

  it('cannot be decrypted with what is no key at all, which is a fault of the caller', () => {
    const { task, signingKey, result } = computed()
    const sharedKey = new Secret(new Uint8Array(31))
    expect(() => openComputeResult({ task: { ...task, sharedKey }, signingKey, result })).toThrow(
      new RangeError('key must be 32 bytes, got 31'),
    )
  })

  it('is not taken for the result of a deployment, nor the other way round', () => {
    const { call, signingKey, result } = computed()
    const task = prepareDeploy({ call, preCode, contractAddress, gasLimit })
    expect(() => openComputeResult({ task, signingKey, result })).toThrow(new TypeError('The task is no compute task'))
    const deployment = deployed()
    const compute = { ...prepareCompute({ call, contractAddress, gasLimit }), preCodeHash: '' }
    expect(() => openDeployResult({ ...deployment, task: compute })).toThrow(
      new TypeError('The task is no deploy task'),
    )
  })

  it.each([31, 33])('is not checked against hashes of %i bytes', (length) => {
    const { task, signingKey, result, exeCodeHash, previousDeltaHash } = computed()
    const known = { exeCodeHash, previousDeltaHash }
    for (const name of ['exeCodeHash', 'previousDeltaHash'] as const) {
      expect(() => openComputeResult({ task, signingKey, result, ...known, [name]: new Uint8Array(length) })).toThrow(
        `${name} must be 32 bytes, got ${length}`,
      )
    }
  })

  it('is refused beyond the gas limit, also where no signature is checked', () => {
    const { task, signingKey, result } = computed()
    const open = (gasLimit: bigint) => openComputeResult({ task: { ...task, gasLimit }, signingKey, result })
    expect(open(20_000n).usedGas).toBe(20_000n)
    expect(() => open(19_999n)).toThrow(
      expect.objectContaining({ code: 'invalid_signature', message: 'The worker claims more gas than the limit' }),
    )
  })
})

describe('the result of a task that failed', () => {
  it('of a deployment is opened and verified', () => {
    const { task, signingKey, result } = failed('deploy')
    expect(openFailedTask({ task, signingKey, result })).toEqual({
      message: 'Invocation resulted in gas limit violated',
      usedGas: gasLimit,
      verified: { signature: true, output: true, missing: [] },
    })
  })

  it('of a computation is verified where the code is known', () => {
    const { task, signingKey, result, exeCodeHash } = failed('compute', 'Fehler: ü')
    expect(openFailedTask({ task, signingKey, result, exeCodeHash }).verified.signature).toBe(true)
    expect(openFailedTask({ task, signingKey, result })).toMatchObject({
      message: 'Fehler: ü',
      verified: { signature: false, output: true, missing: ['exeCodeHash'] },
    })
  })

  it.each(['encryptedArgs', 'encryptedFn'] as const)(
    'is refused when its text is %s, which the same key opens',
    (sent) => {
      const { task, signingKey, result, exeCodeHash } = failed('compute')
      const reflected = { ...result, output: task.input[sent].toUpperCase() }
      expect(() => openFailedTask({ task, signingKey, result: reflected, exeCodeHash })).toThrow(
        'The output is what was sent to the worker, and no answer',
      )
    },
  )

  it('is refused when its text is none', () => {
    const { task, signingKey, result, sharedKey } = failed('deploy')
    const output = encrypt(sharedKey, Uint8Array.of(0xff))
    expect(() => openFailedTask({ task, signingKey, result: { ...result, output } })).toThrow(
      expect.objectContaining({ code: 'undecodable', message: 'The error text is not UTF-8' }),
    )
  })

  it('of a computation is not checked against a hash of another length', () => {
    const { task, signingKey, result } = failed('compute')
    expect(() => openFailedTask({ task, signingKey, result, exeCodeHash: '00'.repeat(31) })).toThrow(
      'exeCodeHash must be 32 bytes, got 31',
    )
  })

  it.each(['deploy', 'compute'] as const)('of a %s task is refused when anything signed is another', (kind) => {
    const { task, signingKey, result, exeCodeHash } = failed(kind)
    const open =
      (change: object, of: object = {}) =>
      () =>
        openFailedTask({ task: { ...task, ...of }, signingKey, result: { ...result, ...change }, exeCodeHash })
    for (const [i, signature] of alterations(result.signature).entries()) {
      expect(open({ signature }), `signature byte ${i}`).toThrow(invalidSignature)
    }
    for (const [i, inputsHash] of alterations(task.inputsHash).entries()) {
      expect(open({}, { inputsHash }), `inputs hash byte ${i}`).toThrow(invalidSignature)
    }
    expect(open({ usedGas: 0 })).toThrow(invalidSignature)
    expect(open({}, { gasLimit: gasLimit + 1n })).toThrow(invalidSignature)
    expect(open({}, { kind: kind === 'deploy' ? 'compute' : 'deploy' })).toThrow(invalidSignature)
    for (const [i, output] of alterations(result.output).entries()) {
      expect(open({ output }), `output byte ${i}`).toThrow(expect.objectContaining({ code: 'undecryptable' }))
    }
  })
})
