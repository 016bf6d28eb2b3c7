// Peers that nobody would write by mistake, against a core as operators run it.
import { startCoreProcess } from '@bletchley/testkit'
import { expect, it } from 'vitest'
import { RawPeer } from '../packages/core/test/rawPeer.ts'

const request = '{"id":1,"type":"GetAllAddrs"}'

it('names of peers are nothing to the core: those that a library gives to others, and those that others have', async () => {
  await using core = await startCoreProcess({ args: ['--threads', '1'] })
  const peers: RawPeer[] = []
  async function connect(identities: readonly Buffer[]): Promise<void> {
    const crowd = identities.map((identity) => new RawPeer(core.endpoint, { identity, isOld: identity[0] === 0 }))
    for (const peer of crowd) peer.send('', request)
    for (const peer of crowd) {
      const [delimiter, reply] = (await peer.receive()) ?? []
      expect([delimiter, reply], `peer ${peers.push(peer)}`).toEqual(['', expect.stringContaining('"id":1')])
    }
  }
  // A ROUTER socket of libzmq calls its peers by a zero and a number, counts them up, from 6b8b4567 if nobody has asked for
  // random numbers, and ends the process when it comes to a name that is taken.
  await connect(Array.from({ length: 32 }, (_, at) => Buffer.from([0, 0x6b, 0x8b, 0x45, 0x80 + at])))
  await connect(Array(64).fill(Buffer.alloc(0)))
  await connect(Array(2).fill(Buffer.from('twice')))
  for (const peer of peers) peer.close()
  expect(await core.client.methods.getAllAddrs(undefined)).toEqual({ addresses: [] })
})
