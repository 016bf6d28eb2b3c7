import { bytesToHex } from '@bletchley/bytes'
import { addressOf, generateKeyPair, type SecretKey, signItems, userMessageItems } from '@bletchley/crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { Router } from 'zeromq'
import { CoreClient } from './coreClient.ts'
import { computeFunction, deployContract, type UserCall } from './userTasks.ts'

const open: { close(): void }[] = []

afterEach(() => {
  for (const each of open.splice(0)) each.close()
})

/** Answers the key exchange with a key that it signs with a key of its own, and refuses all else, but counts it. */
async function serveAs(signingKey: SecretKey) {
  const socket = new Router({ linger: 0 })
  await socket.bind('tcp://127.0.0.1:0')
  const types: string[] = []
  const serve = async (): Promise<void> => {
    for await (const [identity, delimiter, frame] of socket) {
      const { id, type } = JSON.parse(String(frame)) as { id: string; type: string }
      types.push(type)
      const { publicKey } = generateKeyPair()
      const members =
        type === 'NewTaskEncryptionKey'
          ? {
              result: {
                workerEncryptionKey: bytesToHex(publicKey),
                workerSig: bytesToHex(signItems(signingKey, userMessageItems(publicKey))),
              },
            }
          : { msg: 'Unsupported' }
      await socket.send([identity!, delimiter!, JSON.stringify({ id, type, ...members })])
    }
  }
  serve().catch((error: unknown) => {
    if (!socket.closed) throw error
  })
  const client = new CoreClient(socket.lastEndpoint!, { timeoutMs: 2 ** 31 - 1 })
  open.push(client, socket)
  return { client, types }
}

describe.each([
  ['deployContract', (client: CoreClient, call: UserCall) => deployContract(client, new Uint8Array(8), call)],
  ['computeFunction', computeFunction],
] as const)('%s', (_name, run) => {
  const worker = generateKeyPair()
  const call: UserCall = {
    contractAddress: new Uint8Array(32).fill(1),
    callable: 'construct()',
    args: [],
    gasLimit: 1000n,
    workerAddress: addressOf(worker.publicKey),
  }

  it('sends nothing to whoever shows a key that the worker has not signed', async () => {
    const { client, types } = await serveAs(generateKeyPair().secretKey)
    await expect(run(client, call)).rejects.toMatchObject({ code: 'invalid_worker' })
    expect(types).toEqual(['NewTaskEncryptionKey'])
  })

  it('goes on with a key that it has signed', async () => {
    const { client, types } = await serveAs(worker.secretKey)
    await expect(run(client, call)).rejects.not.toMatchObject({ code: 'invalid_worker' })
    expect(types.length).toBeGreaterThan(1)
  })
})
