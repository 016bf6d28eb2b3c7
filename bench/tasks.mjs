// The task path: a core as its operators run it, real sockets, the first contract (contracts/ledger).
//
// What the user does for himself (his key pair, encrypting the call, opening and checking the result) is outside of the
// measured times of latencies. Where throughput is measured, users encrypt their calls between the two messages on both
// sides alike, and nobody checks results.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { createTask, createUserKeys, prepareCompute, prepareDeploy } from '@bletchley/client/user'
import { decrypt, ecdh, encrypt, generateKeyPair, keccak256, randomBytes, signItems } from '@bletchley/crypto'
import { encodeRequest } from '@bletchley/protocol'
import { decodeDelta, sealDelta } from '@bletchley/state'
import { startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import createWabt from 'wabt'
import { Request } from 'zeromq'
import { byTurns, median, microseconds } from './measure.mjs'
import { connectPeer, startEcho } from './peers.mjs'

const gasLimit = 10_000_000n
const principal = new TestPrincipal()

export async function benchTasks() {
  const compute = await withCore(benchCompute)
  const states = await withCore(benchStates)
  const rebuilds = await withCore(benchRebuilds)
  return { rows: [...compute, states.row, rebuilds.row], growth: [states.growth, rebuilds.growth] }
}

async function withCore(run) {
  const core = await startCoreProcess({ args: ['--log-level', 'warn'] })
  try {
    return await run(core)
  } finally {
    await core[Symbol.asyncDispose]()
  }
}

/** A user with a socket of his own, who makes a new key for every task. */
class User {
  #socket = new Request()
  #keys = []

  constructor(endpoint) {
    this.#socket.connect(endpoint)
  }

  close() {
    this.#socket.close()
  }

  /** Makes the keys of the next tasks. */
  makeKeys(count) {
    for (let made = 0; made < count; made++) this.#keys.push(createUserKeys())
  }

  /** Sends a frame; returns the reply and the microseconds until it was there. */
  async ask(frame) {
    let reply
    const time = await microseconds(async () => {
      await this.#socket.send(frame)
      reply = (await this.#socket.receive())[0]
    })
    return { reply: JSON.parse(reply.toString()), time, length: reply.length }
  }

  /** Does one task with a new key; the time is that of its two round trips. */
  async run(contractAddress, callable, args, preCode) {
    const userKeys = this.#keys.pop() ?? createUserKeys()
    const exchange = encodeRequest('NewTaskEncryptionKey', 'k', { userPubKey: hexToBytes(userKeys.publicKey) })
    const key = await this.ask(exchange)
    const call = createTask({ ...key.reply.result, callable, args, userKeys })
    const prepared = preCode
      ? prepareDeploy({ call, preCode, contractAddress, gasLimit })
      : prepareCompute({ call, contractAddress, gasLimit })
    const input = {}
    for (const [name, value] of Object.entries(prepared.input)) {
      input[name] = typeof value === 'string' ? hexToBytes(value) : value
    }
    const type = preCode ? 'DeploySecretContract' : 'ComputeTask'
    const frame = encodeRequest(type, 't', input)
    const task = await this.ask(frame)
    if (task.reply.type !== type) throw new Error(`the task failed: ${JSON.stringify(task.reply)}`)
    return { time: key.time + task.time, exchange, frame, replyLengths: [key.length, task.length], reply: task.reply }
  }
}

async function deployLedgers(core, count) {
  const preCode = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
  const user = new User(core.endpoint)
  const ledgers = []
  for (let index = 0; index < count; index++) {
    const address = randomBytes(32)
    const issuer = `0x${bytesToHex(randomBytes(32))}`
    await principal.installKeys(core.client, [address])
    await user.run(address, 'construct(bytes32,uint64)', [issuer, 0n], preCode)
    ledgers.push({ address, mint: ['mint(bytes32,uint64)', [issuer, 1n]] })
  }
  user.close()
  return ledgers
}

/** One task at a time, and many side by side. */
async function benchCompute(core) {
  const ledgers = await deployLedgers(core, 8)
  const users = ledgers.map(() => new User(core.endpoint))
  const [first] = ledgers
  const unavoidable = await startUnavoidable(await users[0].run(first.address, ...first.mint))
  const { ours, baseline } = await byTurns(
    {
      ours: async () => {
        const times = []
        for (let task = 0; task < 100; task++) times.push((await users[0].run(first.address, ...first.mint)).time)
        return median(times)
      },
      baseline: unavoidable.measure,
    },
    { turns: 15, warmUp: 5 },
  )
  unavoidable.stop()
  const tasks = 800
  const throughput = (clients) => async () => {
    const each = tasks / clients
    for (const user of users.slice(0, clients)) user.makeKeys(each)
    const time = await microseconds(() =>
      Promise.all(
        users.slice(0, clients).map(async (user, index) => {
          for (let task = 0; task < each; task++) await user.run(ledgers[index].address, ...ledgers[index].mint)
        }),
      ),
    )
    return (tasks / time) * 1e6
  }
  const { one, eight } = await byTurns({ one: throughput(1), eight: throughput(8) }, { turns: 5 })
  for (const user of users) user.close()
  return [
    {
      name: 'compute of the first contract, one client, new key per task, p50',
      unit: 'us',
      ours,
      baseline,
      atMost: 2,
      note: unavoidable.note(),
    },
    { name: '8 clients on 8 contracts against 1 on 1', unit: 'tasks/s', ours: eight, baseline: one, atLeast: 1.6 },
  ]
}

/**
 * What no worker can leave out for one task, with the same libraries, and frames and records of its sizes.
 *
 * A round does all of it once, each part timed by itself, in the order and the rhythm of a task: in a loop of its own
 * each part would find processor, caches and disk just woken up for it, which no task does.
 */
async function startUnavoidable({ exchange, frame, replyLengths, reply }) {
  const folder = await temporaryFolder()
  const delta = Uint8Array.from(reply.result.delta.data)
  // Delta, receipt, the contract's record.
  const sizes = [delta.length, 420, 20]
  const committer = fork(new URL('./commit.mjs', import.meta.url), [folder.path, ...sizes.map(String)])
  await once(committer, 'message')
  const echoes = []
  for (const length of replyLengths) {
    const echo = await startEcho()
    await echo.reply(length)
    echoes.push(echo)
  }
  const peers = echoes.map(({ endpoint }) => connectPeer(endpoint))

  const worker = generateKeyPair()
  const user = generateKeyPair()
  const key = randomBytes(32)
  const input = hexToBytes(JSON.parse(Buffer.from(frame).toString()).input.encryptedArgs)
  const sealed = encrypt(key, input.subarray(28))
  const items = [keccak256(delta), keccak256(input), delta.subarray(0, 8)]
  const roundTrip = (index, sent) => () => peers[index].ask(sent)
  const parts = {
    'round trip of the key exchange': roundTrip(0, exchange),
    'key pair': () => generateKeyPair(),
    ECDH: () => ecdh(worker.secretKey, user.publicKey),
    'signature of the key': () => signItems(worker.secretKey, items),
    'round trip of the task': roundTrip(1, frame),
    AES: () => {
      decrypt(key, sealed)
      decrypt(key, sealed)
      encrypt(key, delta.subarray(28))
    },
    'signature of the result': () => signItems(worker.secretKey, items),
    commit: async () => {
      committer.send('commit')
      // Timed where it happens: the way there is no part of it.
      return (await once(committer, 'message'))[0].time
    },
  }
  const all = Object.fromEntries(Object.keys(parts).map((name) => [name, []]))
  return {
    /** @returns the sum of the parts' medians over some rounds */
    async measure() {
      const times = Object.fromEntries(Object.keys(parts).map((name) => [name, []]))
      for (let round = 0; round < 100; round++) {
        for (const [name, run] of Object.entries(parts)) {
          let returned
          const time = await microseconds(async () => {
            returned = await run()
          })
          times[name].push(typeof returned === 'number' ? returned : time)
        }
        createTask({ ...userCall(worker.publicKey), userKeys: createUserKeys() })
      }
      for (const [name, list] of Object.entries(times)) all[name].push(median(list))
      return Object.values(times).reduce((sum, list) => sum + median(list), 0)
    },
    note: () =>
      Object.entries(all)
        .map(([name, list]) => `${name} ${median(list).toFixed(0)}`)
        .join(', '),
    stop() {
      for (const peer of peers) peer.close()
      for (const echo of echoes) echo.close()
      committer.kill()
      void folder[Symbol.asyncDispose]()
    },
  }
}

/** What a user encrypts between the two messages, on both sides. */
function userCall(workerEncryptionKey) {
  return { workerEncryptionKey, callable: 'mint(bytes32,uint64)', args: [`0x${'5a'.repeat(32)}`, 1n] }
}

/** Writes one key: the name in the state is `k`, the value the task's argument, 32 bytes of JSON. */
const oneKeyContract = `(module
  (import "env" "memory" (memory 1 1))
  (import "env" "fetch_args" (func $args (param i32)))
  (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
  (data (i32.const 0) "k")
  (func (export "call")
    (call $args (i32.const 64))
    (call $write (i32.const 0) (i32.const 1) (i32.const 64) (i32.const 32))))`

/** How long a write of one key takes in states of many sizes. */
async function benchStates(core) {
  const wabt = await createWabt()
  const bytecode = wabt.parseWat('oneKey.wat', oneKeyContract).toBinary({}).buffer
  const user = new User(core.endpoint)
  // A state may have 16 MiB: some 600 000 of these keys.
  const sizes = [10, 1000, 100_000, 500_000]
  const sides = {}
  for (const size of sizes) {
    const address = randomBytes(32)
    await core.client.methods.updateNewContract({ address, bytecode })
    await fillState(core, address, size)
    await principal.installKeys(core.client, [address])
    const value = () => `0x22${Buffer.from(bytesToHex(randomBytes(15))).toString('hex')}22`
    sides[size] = async () => {
      const times = []
      for (let task = 0; task < 50; task++) {
        user.makeKeys(1)
        times.push((await user.run(address, 'set(bytes32)', [value()])).time)
      }
      return median(times)
    }
  }
  const times = await byTurns(sides, { turns: 7, warmUp: 2 })
  user.close()
  return {
    row: {
      name: 'one-key write in a state of 100 000 keys, against one of 10',
      unit: 'us',
      ours: times[100_000],
      baseline: times[10],
      atMost: 1.5,
    },
    growth: {
      file: 'state-size',
      title: 'A task that writes one key',
      x: 'keys in the state',
      unit: 'us',
      points: sizes.map((x) => ({ x, ours: times[x] })),
    },
  }
}

/** Deltas that make a state of so many keys. */
async function fillState(core, address, keys) {
  const perDelta = 50_000
  let previousHash = new Uint8Array(32)
  for (let number = 0; number * perDelta < keys; number++) {
    const patch = []
    for (let key = number * perDelta; key < Math.min(keys, (number + 1) * perDelta); key++) {
      patch.push({ op: 'add', path: key === 0 ? '/k' : `/account:${key}`, value: key })
    }
    const data = sealDelta(principal.stateKey(address), { patch, previousHash })
    await core.client.methods.updateDeltas({ deltas: [{ address, key: number, data }] })
    previousHash = keccak256(data)
  }
}

/** A chain as a ledger's transfers leave it: each delta changes two balances among a hundred. */
function makeChain(stateKey, length) {
  const chain = []
  let previousHash = new Uint8Array(32)
  const names = Array.from({ length: 100 }, () => `/balance:${bytesToHex(randomBytes(32))}`)
  for (let key = 0; key < length; key++) {
    const patch =
      key === 0
        ? names.map((path) => ({ op: 'add', path, value: 1_000_000 }))
        : [key, key * 7 + 1].map((name) => ({ op: 'replace', path: names[name % 100], value: 1_000_000 + key }))
    const data = sealDelta(stateKey, { patch, previousHash })
    chain.push({ key, data })
    previousHash = keccak256(data)
  }
  return chain
}

/** How long it takes until a core that has deltas but no state can compute on all of it. */
async function benchRebuilds(core) {
  // A contract's key follows from the last byte of its address, so that chains can be used for many contracts.
  const keyed = new (class extends TestPrincipal {
    stateKey(address) {
      return keccak256(address.subarray(31))
    }
  })()
  const [contracts, length] = [100, 1000]
  const chains = []
  for (let index = 0; index < contracts; index++) {
    const ending = Uint8Array.of(index)
    chains.push({ ending, stateKey: keccak256(ending), deltas: makeChain(keccak256(ending), length) })
  }
  const store = async (core, some) => {
    const stored = some.map(({ ending, deltas }) => ({ address: Buffer.concat([randomBytes(31), ending]), deltas }))
    for (const { address, deltas } of stored) {
      for (let from = 0; from < deltas.length; from += 10_000) {
        const rows = deltas.slice(from, from + 10_000).map((delta) => ({ address, ...delta }))
        await core.client.methods.updateDeltas({ deltas: rows })
      }
    }
    return stored.map(({ address }) => address)
  }
  const rebuild = async (core, addresses) => {
    const { request } = await core.client.methods.getPTTRequest(undefined)
    const answer = keyed.answer(request, addresses)
    return microseconds(async () => {
      const { errors } = await core.client.methods.pTTResponse(answer)
      if (errors.length > 0) throw new Error('a contract does not rebuild')
    })
  }
  const open = (some) => () => {
    for (const { stateKey, deltas } of some) for (const { data } of deltas) decodeDelta(decrypt(stateKey, data))
  }
  const ours = async () => rebuild(core, await store(core, chains))
  const times = await byTurns({ ours, baseline: open(chains) }, { turns: 5 })

  const points = []
  const ending = Uint8Array.of(0)
  for (const x of [100, 1000, 10_000, 100_000]) {
    const one = [{ ending, stateKey: keccak256(ending), deltas: makeChain(keccak256(ending), x) }]
    const turns = x < 10_000 ? 7 : 3
    const sides = { ours: async () => rebuild(core, await store(core, one)), baseline: open(one) }
    points.push({ x, ...(await byTurns(sides, { turns })) })
  }
  return {
    row: {
      name: `rebuild of ${contracts} contracts x ${length} deltas, against decrypt + decode`,
      unit: 'us',
      ours: times.ours,
      baseline: times.baseline,
      atMost: 2,
    },
    growth: { file: 'rebuild', title: 'Rebuild of one contract', x: 'deltas', unit: 'us', points },
  }
}
