import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { computeFunction, deployContract } from '@bletchley/client'
import { createTask, createUserKeys, prepareCompute } from '@bletchley/client/user'
import { keccak256, keyPairFromSecret, randomBytes, sha256 } from '@bletchley/crypto'
import { type Lock, openSealingKey, writeSealed } from '@bletchley/crypto/key-file'
import { CommandProcess, runCommand, startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'
import createWabt from 'wabt'
import { WireSocket } from './wireSocket.ts'

// Recognisable secrets of every kind are planted in a core and a principal, which then meet with success, failure and
// malice at the most talkative log level. All that comes out of them is searched for the secrets.

/** 32 bytes that nobody could take for a real key: a text, hashed. */
const planted = (name: string): Uint8Array => sha256(utf8ToBytes(`planted by test/plantedSecrets.test.ts: ${name}`))

const passphrase = 'planted passphrase, not a real one'
const backupPassphrase = 'planted passphrase of a backup'
const gasLimit = 10_000_000n

/** The ways in which bytes are commonly shown. */
function shapesOf(secret: Uint8Array | string): string[] {
  const bytes = Buffer.from(typeof secret === 'string' ? utf8ToBytes(secret) : secret)
  const list = [...bytes].join(',')
  return [
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    // Whole groups of three bytes, so that what stands before and behind makes no difference.
    bytes.toString('base64').slice(0, Math.floor(bytes.length / 3) * 4),
    bytes.toString('base64url').slice(0, Math.floor(bytes.length / 3) * 4),
    bytes.toString('latin1'),
    list,
    list.replaceAll(',', ', '),
    list.replaceAll(',', ',\n'),
    // As Node shows a Buffer, and as JSON shows a Uint8Array.
    (bytes.toString('hex').match(/../g) ?? []).join(' '),
    JSON.stringify(new Uint8Array(bytes)).slice(1, -1),
    BigInt(`0x${bytes.toString('hex')}`).toString(),
  ]
}

/** The secrets that are to be seen in a text, by their names. */
function seenIn(text: string, secrets: ReadonlyMap<string, Uint8Array | string>): string[] {
  return [...secrets].flatMap(([name, secret]) =>
    shapesOf(secret).some((shape) => text.includes(shape)) ? [name] : [],
  )
}

/** All that the feed tells until the core ends, which breaks it off. */
async function feedOf(url: URL): Promise<string> {
  const { body } = await fetch(url)
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of body ?? []) chunks.push(chunk)
  } catch {
    // The core has ended.
  }
  return Buffer.concat(chunks).toString()
}

it('finds a planted secret in any common shape', () => {
  const secret = planted('self-test')
  const shapes = [
    secret,
    Array.from(secret),
    { secret: Buffer.from(secret).toString('base64') },
    `0x${bytesToHex(secret)}`,
  ]
  for (const shape of shapes) {
    const text = JSON.stringify({ shape })
    expect(seenIn(text, new Map([['it', secret]])), text).toEqual(['it'])
  }
  expect(seenIn('nothing', new Map([['it', secret]]))).toEqual([])
})

it('no secret comes out of a core, a principal or the command, whatever happens', async () => {
  await using folder = await temporaryFolder()
  const out: string[] = []
  const [data, passphraseFile, backupFile] = ['data', 'passphrase', 'backup-passphrase'].map((name) =>
    join(folder.path, name),
  )
  await writeFile(passphraseFile!, `${passphrase}\n`, { mode: 0o600 })
  await writeFile(backupFile!, backupPassphrase, { mode: 0o600 })
  const lock: Lock = { kind: 'passphrase', read: async () => passphrase }
  const lockArgs = ['--passphrase-file', passphraseFile!]

  const signing = keyPairFromSecret(planted('signing key'))
  const sealingKey = await openSealingKey(data!, { lock })
  await writeSealed(join(data!, 'signing-key.sealed'), sealingKey, 'worker signing key', signing.secretKey.bytes)

  const principal = new TestPrincipal()
  const contractAddress = planted('address of the contract')
  const userKeys = createUserKeys()
  const account = planted('account in an input')
  const amount = 12_345_678_987_654_321n
  const secrets = new Map<string, Uint8Array | string>([
    ['signing key', signing.secretKey.bytes],
    ['sealing key', sealingKey.bytes],
    ['passphrase', passphrase],
    ['passphrase of the backup', backupPassphrase],
    ['state key', principal.stateKey(contractAddress)],
    ['user key', userKeys.secretKey.bytes],
    ['input', account],
    ['amount, in and out', String(amount)],
    ['text that a contract prints', 'planted text of a contract'],
  ])

  const core = await startCoreProcess({
    dataFolder: data!,
    args: [
      '--log-level',
      'debug',
      '--threads',
      '1',
      '--principal',
      principal.address,
      ...lockArgs,
      '--http',
      '127.0.0.1:0',
    ],
  })
  await using _ = core
  const { client } = core
  const door = (await core.process.readLine()).replace('http ', '')
  const told = feedOf(new URL('api/events', door))

  // Deployment, computation, and one that fails.
  const { request } = await client.methods.getPTTRequest(undefined)
  const good = principal.answer(request, [contractAddress])
  await client.methods.pTTResponse(good)
  const ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
  const hex = `0x${bytesToHex(account)}`
  const construct = { contractAddress, gasLimit, callable: 'construct(bytes32,uint64)', args: [hex, amount] }
  expect(await deployContract(client, ledger, construct)).toMatchObject({ kind: 'success' })
  const call = (callable: string, args: (string | bigint)[]) =>
    computeFunction(client, { contractAddress, gasLimit, callable, args })
  expect(await call('balance_of(bytes32)', [hex])).toMatchObject({ kind: 'success' })
  expect(await call('transfer(bytes32,bytes32,uint64)', [hex, hex, amount + 1n])).toMatchObject({ kind: 'failed' })
  expect(await call('no_such_function(bytes32)', [hex])).toMatchObject({ kind: 'failed' })

  // A contract that prints, and traps.
  const talker = randomBytes(32)
  const wabt = await createWabt()
  const wat = `(module (import "env" "eprint" (func $eprint (param i32 i32))) (import "env" "memory" (memory 1))
    (data (i32.const 0) "planted text of a contract")
    (func (export "call") (call $eprint (i32.const 0) (i32.const 26)) unreachable))`
  await client.methods.updateNewContract({ address: talker, bytecode: wabt.parseWat('c.wat', wat).toBinary({}).buffer })
  const talkerKey = await client.methods.getPTTRequest(undefined)
  await client.methods.pTTResponse(principal.answer(talkerKey.request, [talker]))
  expect(await computeFunction(client, { contractAddress: talker, gasLimit, callable: 'f()', args: [] })).toMatchObject(
    {
      kind: 'failed',
    },
  )

  // Refused: responses that are replayed, unsigned or changed; secrets in every place where they do not belong.
  using socket = new WireSocket(core.endpoint)
  const ask = async (frame: string | object) => {
    const replies = await socket.ask(typeof frame === 'string' ? frame : JSON.stringify(frame))
    out.push(JSON.stringify(replies))
    return replies[0]!
  }
  const stateKey = bytesToHex(principal.stateKey(contractAddress))
  const sig = bytesToHex(good.sig)
  for (const input of [
    { response: bytesToHex(good.response), sig },
    { response: bytesToHex(good.response) },
    { response: stateKey, sig },
    { response: bytesToHex(new TestPrincipal().answer(request, [contractAddress]).response), sig },
  ]) {
    expect((await ask({ id: 'ptt', type: 'PTTResponse', input })).msg).toMatch(/^Error inside the Enclave/)
  }
  const { workerEncryptionKey } = await client.methods.newTaskEncryptionKey({
    userPubKey: hexToBytes(userKeys.publicKey),
  })
  const task = createTask({ workerEncryptionKey, callable: 'f(bytes32)', args: [hex], userKeys })
  secrets.set('key shared with a user', task.sharedKey.bytes)
  const { input } = prepareCompute({ call: task, contractAddress, gasLimit })
  const taskFrame = { id: 'task', type: 'ComputeTask', input: { ...input, gasLimit: Number(gasLimit) } }
  expect((await ask({ ...taskFrame, input: { ...taskFrame.input, encryptedFn: 'ab'.repeat(40) } })).type).toBe(
    'FailedTask',
  )
  expect((await ask(taskFrame)).msg).toMatch(/KeysError/)
  expect((await ask({ ...taskFrame, input: { ...taskFrame.input, gasLimit: stateKey } })).msg).toBeDefined()
  expect(
    (await ask({ id: 'x', type: 'ComputeTask', input: { userDHKey: stateKey, encryptedArgs: [stateKey] } })).msg,
  ).toBeDefined()
  expect((await ask(`{"id":"cut off","type":"PTTResponse","input":{"response":"${stateKey}`)).msg).toBeDefined()
  await client.methods.updateDeltas({
    deltas: [{ address: contractAddress, key: 1, data: principal.stateKey(contractAddress) }],
  })
  await client.methods.pTTResponse(
    principal.answer((await client.methods.getPTTRequest(undefined)).request, [contractAddress]),
  )

  // The HTTP door, with all that the feed has told.
  const paths = ['livez', 'readyz', 'metrics', 'api/status', 'api/contracts', 'api/history']
  const contract = `api/contracts/${bytesToHex(contractAddress)}`
  for (const path of [...paths, contract, `${contract}/deltas`, `api/contracts/${stateKey}x`]) {
    const response = await fetch(new URL(path, door))
    out.push(await response.text())
  }

  // The command: its configuration, wrong passphrases, the care for keys.
  await mkdir(join(folder.path, 'elsewhere'))
  const run = async (args: readonly string[]) => {
    const { stdout, stderr, code } = await runCommand(args)
    out.push(stdout, stderr)
    return code
  }
  const wrongFile = join(folder.path, 'wrong')
  await writeFile(wrongFile, `${passphrase} `, { mode: 0o600 })
  const [backup, elsewhere] = [join(folder.path, 'backup'), join(folder.path, 'elsewhere')]
  expect(await run(['core', '--data', data!, ...lockArgs, '--print-config'])).toBe(0)
  expect(await run(['keys', 'status', '--data', data!, '--passphrase-file', wrongFile])).toBe(1)
  expect(await run(['keys', 'status', '--data', data!, ...lockArgs])).toBe(0)
  expect(
    await run(['keys', 'backup', backup, '--data', data!, ...lockArgs, '--backup-passphrase-file', backupFile!]),
  ).toBe(0)
  expect(await run(['keys', 'restore', backup, '--data', elsewhere, '--backup-passphrase-file', wrongFile])).toBe(1)
  expect(await run(['keys', 'restore', backup, '--data', elsewhere, '--backup-passphrase-file', backupFile!])).toBe(0)
  expect(
    await run(['keys', 'status', '--data', elsewhere, '--sealing-command', `printf ${bytesToHex(sealingKey.bytes)}`]),
  ).toBe(1)
  expect(await run(['keys', 'relock', '--data', elsewhere, '--new-sealing-command', `printf ${passphrase}`])).toBe(1)
  expect(await run(['keys', 'relock', '--data', elsewhere, '--new-passphrase-file', passphraseFile!])).toBe(0)
  expect(await run(['keys', 'curve', '--data', elsewhere])).toBe(0)
  expect(await run(['doctor', '--data', data!, ...lockArgs])).toBeLessThan(2)
  const [, curveSecret] = /^secret (.*)$/m.exec(await readFile(join(elsewhere, 'curve.key'), 'utf8')) ?? []
  secrets.set('secret key of the socket', curveSecret!)
  expect(await run(['keys', 'rotate', '--data', elsewhere, ...lockArgs])).toBe(0)
  expect(await run(['keys', 'new-identity', '--yes', '--data', elsewhere, ...lockArgs])).toBe(0)

  // A principal with a state key of ours, asked by a core, and by somebody who knows no manners.
  const principalData = join(folder.path, 'principal')
  const principalKey = await openSealingKey(principalData, { lock })
  const principalSigning = planted('signing key of the principal')
  await writeSealed(
    join(principalData, 'signing-key.sealed'),
    principalKey,
    'signing key of the principal',
    principalSigning,
  )
  const name = bytesToHex(keccak256(contractAddress))
  const kept = planted('state key of the principal')
  await writeSealed(
    join(principalData, 'state-keys', `${name}.sealed`),
    principalKey,
    `state key of contract ${name}`,
    kept,
  )
  secrets.set('signing key of the principal', principalSigning)
  secrets.set('sealing key of the principal', principalKey.bytes)
  secrets.set('state key of the principal', kept)
  await using node = new CommandProcess([
    'principal',
    '--port',
    '0',
    '--data',
    principalData,
    '--log-level',
    'debug',
    ...lockArgs,
  ])
  const [, url, address] = (await node.readLine()).split(' ')
  await using fetching = await startCoreProcess({
    args: ['--log-level', 'debug', '--threads', '1', '--principal-url', url!, '--principal', address!],
  })
  await deployContract(fetching.client, ledger, { ...construct, contractAddress: hexToBytes(name) })
  for (const body of [
    bytesToHex(kept),
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: bytesToHex(kept), params: [1] }),
  ]) {
    out.push(await (await fetch(url!, { method: 'POST', body })).text())
  }
  expect(await readFile(join(principalData, 'audit.jsonl'), 'utf8')).toContain(name)
  out.push(await readFile(join(principalData, 'audit.jsonl'), 'utf8'))

  for (const each of [core.process, node, fetching.process]) {
    const { code, stdout, stderr } = await each.kill('SIGTERM')
    expect(code).toBe(0)
    out.push(stdout, stderr)
  }
  out.push(await told)
  const text = out.join('\n')
  expect(text).toContain('core stopped')
  expect(text).toContain('event: message')
  expect(text).toContain('state keys refused')
  // What is asked for by its sender comes back to him in errors at most, and never into the log.
  expect(seenIn(text, secrets)).toEqual([])
})
