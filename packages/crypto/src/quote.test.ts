import { bytesToHex, bytesToUtf8, concatBytes, hexToBytes } from '@bletchley/bytes'
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

  it('is to the byte what the specification says', () => {
    const random = (length: number) => new Uint8Array(length).fill(length)
    const attributes = `07${'00'.repeat(7)}`
    expect(bytesToHex(createSimulatedQuote({ signingAddress, random }))).toBe(
      [
        ...['0200', '0000', '0b000000', 'ef00', 'ef00', 'efefefef'],
        ...['b0335fd3bc1cca8f804eb98a6420592d', '10'.repeat(16)],
        ...['00'.repeat(48), attributes, attributes],
        ...[Buffer.from('BLETCHLEY SIMULATION, NO ENCLAVE').toString('hex'), '00'.repeat(32)],
        ...[Buffer.from('BLETCHLEY SIMULATION, NO SIGNER.').toString('hex'), '00'.repeat(96)],
        ...['0100', '0000', '00'.repeat(60), bytesToHex(signingAddress), '00'.repeat(44), 'a8020000'],
        ...['ee'.repeat(288), '0c'.repeat(12), '68010000', 'ee'.repeat(360), '10'.repeat(16)],
      ].join(''),
    )
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

it('each field of a quote is read from where it stands', () => {
  const bytes = Uint8Array.from({ length: 1116 }, (_, at) => (at * 7 + (at >> 8)) & 0xff)
  bytes.set(hexToBytes('a8020000'), 432)
  const view = new DataView(bytes.buffer)
  expect(parseQuote(bytes)).toEqual({
    version: view.getUint16(0, true),
    signType: view.getUint16(2, true),
    epidGroupId: view.getUint32(4, true),
    qeSvn: view.getUint16(8, true),
    pceSvn: view.getUint16(10, true),
    extendedGroupId: view.getUint32(12, true),
    basename: bytes.slice(16, 48),
    cpuSvn: bytes.slice(48, 64),
    debug: false,
    mrEnclave: bytes.slice(112, 144),
    mrSigner: bytes.slice(176, 208),
    isvProductId: view.getUint16(304, true),
    isvSvn: view.getUint16(306, true),
    reportData: bytes.slice(368, 432),
    simulated: false,
  })
  for (const [attributes, debug] of [
    [0, false],
    [2, true],
    [0xfd, false],
    [0xff, true],
  ] as const) {
    bytes[96] = attributes
    expect(parseQuote(bytes).debug, `attributes ${attributes}`).toBe(debug)
  }
})
