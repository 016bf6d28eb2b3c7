import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { type Hex, TestNetwork } from '@bletchley/contract/testing'
import { keccak256 } from '@bletchley/crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordGas } from '../testing/gasSnapshot.ts'
import type { NotesFunctions } from './build/notes.client.ts'

const source = new URL('./notes.ts', import.meta.url)
const gas = recordGas()
const sizes = [64, 256, 1024, 4096]
const hashOf = (value: Hex): Hex => `0x${bytesToHex(keccak256(hexToBytes(value.slice(2))))}`

/** A text as its writer sends it: padded with zero bytes to the next size. */
function padded(text: string): Hex {
  const bytes = utf8ToBytes(text)
  const size = sizes.find((each) => each >= bytes.length) ?? bytes.length
  return `0x${bytesToHex(bytes).padEnd(2 * size, '0')}`
}

async function opened() {
  const network = new TestNetwork()
  return { network, notes: await network.deploy<NotesFunctions>(source) }
}

describe('the notes', () => {
  it('are read and changed with their key', async () => {
    const { notes } = await opened()
    const key = notes.call('write', [padded('the safe is behind the clock')]).value
    const other = notes.call('write', [padded('milk, eggs')]).value
    expect(notes.call('read', [key]).value).toBe(padded('the safe is behind the clock'))
    notes.call('change', [key, padded('the safe is behind the stove')])
    expect(notes.call('read', [key]).value).toBe(padded('the safe is behind the stove'))
    expect(notes.call('read', [other]).value).toBe(padded('milk, eggs'))
  })

  it('are read with a pass until it is revoked', async () => {
    const { notes } = await opened()
    const key = notes.call('write', [padded('first')]).value
    const bob = notes.call('share', [key]).value
    const carol = notes.call('share', [key]).value
    expect(bob.note).toBe(hashOf(key))
    expect(notes.call('readShared', [bob.note, bob.pass]).value).toBe(padded('first'))
    notes.call('change', [key, padded('second')])
    expect(notes.call('readShared', [bob.note, bob.pass]).value).toBe(padded('second'))
    notes.call('revoke', [key, hashOf(bob.pass)])
    expect(notes.fails('readShared', [bob.note, bob.pass]).reason).toBe('no such pass')
    expect(notes.call('readShared', [carol.note, carol.pass]).value).toBe(padded('second'))
  })

  it('give nothing to whoever has no right, or the right to another note', async () => {
    const { notes } = await opened()
    const key = notes.call('write', [padded('mine')]).value
    const other = notes.call('write', [padded('yours')]).value
    const { note, pass } = notes.call('share', [key]).value
    const refused: [reason: string, attempt: () => { reason: string | undefined }][] = [
      ['no such note', () => notes.fails('read', [note])],
      ['no such note', () => notes.fails('read', [pass])],
      ['no such note', () => notes.fails('change', [pass, padded('theirs')])],
      ['no such note', () => notes.fails('share', [pass])],
      ['no such note', () => notes.fails('remove', [note])],
      ['no such note', () => notes.fails('revoke', [pass, hashOf(pass)])],
      ['no such pass', () => notes.fails('readShared', [hashOf(other), pass])],
      ['no such pass', () => notes.fails('readShared', [note, hashOf(pass)])],
      ['no such pass', () => notes.fails('revoke', [other, hashOf(pass)])],
    ]
    for (const [index, [reason, attempt]] of refused.entries()) expect(attempt().reason, String(index)).toBe(reason)
  })

  it('are gone when they are removed, for readers too', async () => {
    const { notes } = await opened()
    const key = notes.call('write', [padded('burn this')]).value
    const { note, pass } = notes.call('share', [key]).value
    notes.call('remove', [key])
    expect(notes.fails('read', [key]).reason).toBe('no such note')
    expect(notes.fails('readShared', [note, pass]).reason).toBe('no such note')
  })

  it('come back as they were written', async () => {
    const { notes } = await opened()
    const text = fc
      .constantFrom(...sizes.slice(0, 3))
      .chain((size) => fc.uint8Array({ minLength: size, maxLength: size }))
    await gas.without(() =>
      fc.assert(
        fc.property(text, (bytes) => {
          const key = notes.call('write', [bytes]).value
          expect(notes.call('read', [key]).value).toBe(`0x${bytesToHex(bytes)}`)
        }),
        { numRuns: 10 },
      ),
    )
  })
})

describe('what others see of the notes', () => {
  it('is one of four sizes', async () => {
    const { notes } = await opened()
    const seen = ['', 'a', 'é'.repeat(32), 'x'.repeat(65), 'y'.repeat(256), 'z'.repeat(1024), 'z'.repeat(4096)].map(
      (text) => {
        const written = notes.call('write', [padded(text)])
        const read = notes.call('read', [written.value])
        return [written.gas, written.delta?.changesSize, read.gas, read.output.length].join(' ')
      },
    )
    expect(new Set(seen).size).toBe(sizes.length)
    for (const size of [0, 1, 63, 65, 4095, 4097, 8192]) {
      const { reason } = notes.fails('write', [new Uint8Array(size)])
      expect(reason, String(size)).toBe('pad the text to 64, 256, 1024 or 4096 bytes')
    }
  })

  it('holds neither texts nor keys nor passes, even to whoever decrypts the state', async () => {
    const { notes } = await opened()
    const key = notes.call('write', [padded('the safe is behind the clock')]).value
    const { pass } = notes.call('share', [key]).value
    const state = notes.state.json
    for (const secret of [key, pass, padded('the safe is behind the clock')]) {
      expect(state.includes(secret.slice(2, 34)), secret).toBe(false)
    }
    for (const [name, value] of notes.state.entries()) expect(value, name).toMatch(/^[0-9a-f]+$/)
  })
})

it('costs the gas of the snapshot', () => gas.expectSnapshot())
