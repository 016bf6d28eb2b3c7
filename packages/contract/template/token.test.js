import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestNetwork } from '@bletchley/contract/testing'

const source = new URL('./token.ts', import.meta.url)

async function deployed() {
  const network = new TestNetwork()
  const [alice, bob] = network.users('alice', 'bob')
  const token = await network.deploy(source, [alice.address, 1000n])
  return { network, alice, bob, token }
}

test('the whole supply is the owner’s', async () => {
  const { alice, bob, token } = await deployed()
  assert.equal(token.call('totalSupply').value, 1000n)
  assert.equal(token.call('balanceOf', [alice.address]).value, 1000n)
  assert.equal(token.call('balanceOf', [bob.address]).value, 0n)
})

test('a transfer moves an amount, and writes two accounts', async () => {
  const { alice, bob, token } = await deployed()
  const { delta } = token.call('transfer', [alice.address, bob.address, 300n])
  assert.equal(delta?.changes.length, 2)
  assert.equal(token.call('balanceOf', [alice.address]).value, 700n)
  assert.equal(token.call('balanceOf', [bob.address]).value, 300n)
})

test('a transfer beyond the balance fails, says why, and changes nothing', async () => {
  const { alice, bob, token } = await deployed()
  const before = token.state.json
  assert.equal(token.fails('transfer', [alice.address, bob.address, 1001n]).reason, 'balance is too low')
  assert.equal(token.state.json, before)
})
