import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { u32be } from '@bletchley/bytes'
import { expect, it } from 'vitest'
import { ContractStore } from './contractStore.ts'
import { openMemory } from './memory.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

it('a walk over the lengths of tips leaves nothing behind of contracts that are gone', async () => {
  const store = await ContractStore.open(openMemory(), { hashDelta: () => new Uint8Array(32) })
  let contracts = 0
  const comeAndGo = async (count: number) => {
    for (const end = contracts + count; contracts < end; ) {
      const addresses = Array.from({ length: 100 }, () => Buffer.concat([new Uint8Array(28), u32be(contracts++)]))
      await store.putDeltas(addresses.map((address) => ({ address, key: 0, data: Uint8Array.of(1) })))
      const tips = []
      for await (const tip of store.tipLengths(0)) tips.push({ ...tip, address: Buffer.from(tip.address) })
      expect(tips).toEqual(addresses.map((address) => ({ address, key: 0, length: 1 })))
      for (const address of addresses) await store.removeContract(address)
    }
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const before = await comeAndGo(2000)
  const after = await comeAndGo(20_000)
  // A length takes about 400 bytes.
  expect((after - before) / 20_000).toBeLessThan(150)
  await store.close()
})
