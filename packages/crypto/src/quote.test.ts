import { bytesToHex, bytesToUtf8, concatBytes } from '@bletchley/bytes'
import { describe, expect, it } from 'vitest'
import { createSimulatedQuote, parseQuote, reportDataOfQuote } from './quote.ts'

const signingAddress = Uint8Array.from({ length: 20 }, (_, i) => i + 1)
const quote = createSimulatedQuote({ signingAddress })
const hexAt = (offset: number, length: number) => bytesToHex(quote.subarray(offset, offset + length))

describe('a simulated quote', () => {
  it('has the layout of the specification', () => {
    expect(quote).toHaveLength(1116)
    expect(hexAt(0, 16)).toBe('020000000b000000ef00ef00efefefef')
    expect(hexAt(16, 16)).toBe('b0335fd3bc1cca8f804eb98a6420592d')
    expect(quote[96]! & 2).toBe(2)
    expect(hexAt(304, 4)).toBe('01000000')
    expect(hexAt(368, 64)).toBe(bytesToHex(signingAddress) + '00'.repeat(44))
    expect(hexAt(432, 4)).toBe('a8020000')
    expect(hexAt(436, 288)).toBe('ee'.repeat(288))
    expect(hexAt(436 + 300, 4)).toBe('68010000') // 360 bytes follow before the MAC.
    expect(hexAt(740, 360)).toBe('ee'.repeat(360))
  })

  it('says that it is simulated, in every way it can', () => {
    const parsed = parseQuote(quote)
    expect(parsed).toMatchObject({ simulated: true, debug: true, isvProductId: 1, isvSvn: 0, version: 2, signType: 0 })
    expect(bytesToUtf8(parsed.mrEnclave)).toContain('SIMULATION')
    expect(bytesToUtf8(parsed.mrSigner)).toContain('SIMULATION')
    expect(reportDataOfQuote(quote)).toEqual(concatBytes(signingAddress, new Uint8Array(44)))
  })

  it('differs from one to the next only where real ones are random', () => {
    const other = createSimulatedQuote({ signingAddress })
    const different = [...quote.keys()].filter((i) => quote[i] !== other[i])
    const random = different.filter((i) => (i >= 32 && i < 48) || (i >= 724 && i < 736) || i >= 1100)
    expect(different.length).toBeGreaterThan(0)
    expect(different).toEqual(random)
    const fixed = { signingAddress, random: (length: number) => new Uint8Array(length).fill(5) }
    expect(createSimulatedQuote(fixed)).toEqual(createSimulatedQuote(fixed))
  })

  it('is still seen through when all marks but one are wiped', () => {
    const marks: [number, number][] = [
      [8, 2],
      [10, 2],
      [12, 4],
      [436, 288],
    ]
    for (const kept of marks) {
      const disguised = quote.slice()
      for (const mark of marks) if (mark !== kept) disguised.fill(1, mark[0], mark[0] + mark[1])
      expect(parseQuote(disguised).simulated, `mark at ${kept[0]}`).toBe(true)
    }
  })

  it.each([0, 432, 1115, 1117])('of %d bytes is refused', (length) => {
    expect(() => parseQuote(new Uint8Array(length))).toThrow(expect.objectContaining({ code: 'malformed_message' }))
  })

  it('with another length of its signature is refused', () => {
    const altered = quote.slice()
    altered[432] = 0
    expect(() => parseQuote(altered)).toThrow(expect.objectContaining({ code: 'malformed_message' }))
  })
})
