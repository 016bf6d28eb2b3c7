import { assertBytes, utf8ToBytes } from '@bletchley/bytes'
import { CryptoError } from './cryptoError.ts'
import { addressLength } from './keys.ts'
import { randomBytes } from './random.ts'

/** Of an EPID quote: 436 bytes of header and report, 680 of signature. */
const quoteLength = 1116
const signatureOffset = 436
const signatureLength = quoteLength - signatureOffset

/** The service provider identifier that enigma-core uses unless told otherwise. */
const simulationSpid = Uint8Array.from([
  0xb0, 0x33, 0x5f, 0xd3, 0xbc, 0x1c, 0xca, 0x8f, 0x80, 0x4e, 0xb9, 0x8a, 0x64, 0x20, 0x59, 0x2d,
])
// The measurements name no enclave and no signer; they say, readable in a hex dump, that there is none. 32 bytes each.
const simulationMrEnclave = utf8ToBytes('BLETCHLEY SIMULATION, NO ENCLAVE')
const simulationMrSigner = utf8ToBytes('BLETCHLEY SIMULATION, NO SIGNER.')
const simulationEpidGroup = 0x0b
const simulationSvn = 0x00ef
const simulationExtendedGroup = 0xefef_efef
const simulationFiller = 0xee
/** INIT, DEBUG and MODE64BIT, as an enclave in debug mode has them. */
const debugAttributes = 0x07
const debugBit = 0x02
const workerProductId = 1

/** Where the fields of a quote stand, in bytes; numbers are little-endian. */
const offsets = {
  version: 0,
  signType: 2,
  epidGroup: 4,
  qeSvn: 8,
  pceSvn: 10,
  extendedGroup: 12,
  basename: 16,
  cpuSvn: 48,
  attributes: 96,
  attributesXfrm: 104,
  mrEnclave: 112,
  mrSigner: 176,
  productId: 304,
  isvSvn: 306,
  reportData: 368,
  signatureLength: 432,
  signatureIv: signatureOffset + 288,
  signaturePayloadLength: signatureOffset + 300,
  signatureMac: quoteLength - 16,
} as const

/** What an EPID quote says. Saying is all: only a report signed by Intel proves it. */
export interface Quote {
  version: number
  signType: number
  epidGroupId: number
  qeSvn: number
  pceSvn: number
  extendedGroupId: number
  /** 32 bytes. */
  basename: Uint8Array
  /** 16 bytes. */
  cpuSvn: Uint8Array
  /** Whether a debugger could read the enclave. */
  debug: boolean
  /** Hash of the enclave, 32 bytes. */
  mrEnclave: Uint8Array
  /** Hash of its signer's key, 32 bytes. */
  mrSigner: Uint8Array
  /** 1 worker, 2 principal. */
  isvProductId: number
  isvSvn: number
  /** 64 bytes: the signing address (20), then zeros. */
  reportData: Uint8Array
  /**
   * Whether it carries a mark of simulation. `true` means: surely worthless as proof. `false` means nothing, for the
   * marks can be left out.
   */
  simulated: boolean
}

/**
 * A quote for a worker that runs in no enclave. It has the layout of a real one and proves nothing: the debug bit, the
 * markers of Intel's simulation library and measurements that spell "SIMULATION" say so.
 *
 * @param options.signingAddress the worker's address, 20 bytes; becomes the report data
 * @param options.random source of random bytes, for the fields that are random in a quote
 * @returns 1116 bytes
 * @see spec/crypto.md 10.1
 */
export function createSimulatedQuote(options: {
  signingAddress: Uint8Array
  random?: (length: number) => Uint8Array
}): Uint8Array {
  const { signingAddress, random = randomBytes } = options
  assertBytes(signingAddress, 'signing address', addressLength)
  const quote = new Uint8Array(quoteLength)
  const view = new DataView(quote.buffer)
  view.setUint16(offsets.version, 2, true)
  view.setUint16(offsets.signType, 0, true) // Unlinkable.
  view.setUint32(offsets.epidGroup, simulationEpidGroup, true)
  view.setUint16(offsets.qeSvn, simulationSvn, true)
  view.setUint16(offsets.pceSvn, simulationSvn, true)
  view.setUint32(offsets.extendedGroup, simulationExtendedGroup, true)
  quote.set(simulationSpid, offsets.basename)
  quote.set(random(16), offsets.basename + simulationSpid.length)
  view.setUint8(offsets.attributes, debugAttributes)
  view.setUint8(offsets.attributesXfrm, debugAttributes)
  quote.set(simulationMrEnclave, offsets.mrEnclave)
  quote.set(simulationMrSigner, offsets.mrSigner)
  view.setUint16(offsets.productId, workerProductId, true)
  quote.set(signingAddress, offsets.reportData)
  view.setUint32(offsets.signatureLength, signatureLength, true)
  quote.fill(simulationFiller, signatureOffset)
  quote.set(random(12), offsets.signatureIv)
  view.setUint32(
    offsets.signaturePayloadLength,
    offsets.signatureMac - offsets.signaturePayloadLength - 4, // What lies between this number and the MAC.
    true,
  )
  quote.set(random(16), offsets.signatureMac)
  return quote
}

/**
 * Reads an EPID quote.
 *
 * @param bytes 1116 bytes
 * @throws CryptoError malformed_message if it has another length, or says so of its signature
 */
export function parseQuote(bytes: Uint8Array): Quote {
  assertBytes(bytes, 'quote')
  if (bytes.length !== quoteLength) {
    throw new CryptoError('malformed_message', `A quote has ${quoteLength} bytes, got ${bytes.length}`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const field = (offset: number, length: number) => bytes.slice(offset, offset + length)
  if (view.getUint32(offsets.signatureLength, true) !== signatureLength) {
    throw new CryptoError('malformed_message', `The signature of a quote has ${signatureLength} bytes`)
  }
  const quote = {
    version: view.getUint16(offsets.version, true),
    signType: view.getUint16(offsets.signType, true),
    epidGroupId: view.getUint32(offsets.epidGroup, true),
    qeSvn: view.getUint16(offsets.qeSvn, true),
    pceSvn: view.getUint16(offsets.pceSvn, true),
    extendedGroupId: view.getUint32(offsets.extendedGroup, true),
    basename: field(offsets.basename, 32),
    cpuSvn: field(offsets.cpuSvn, 16),
    debug: (view.getUint8(offsets.attributes) & debugBit) !== 0,
    mrEnclave: field(offsets.mrEnclave, 32),
    mrSigner: field(offsets.mrSigner, 32),
    isvProductId: view.getUint16(offsets.productId, true),
    isvSvn: view.getUint16(offsets.isvSvn, true),
    reportData: field(offsets.reportData, 64),
  }
  const signatureStart = field(signatureOffset, offsets.signatureIv - signatureOffset)
  // One mark is enough: what some tool has half disguised as a real quote must still be seen.
  const simulated =
    quote.qeSvn === simulationSvn ||
    quote.pceSvn === simulationSvn ||
    quote.extendedGroupId === simulationExtendedGroup ||
    signatureStart.every((byte) => byte === simulationFiller)
  return { ...quote, simulated }
}

/**
 * The 64 bytes that an enclave put into its quote: the signing address (20), then zeros.
 *
 * @throws CryptoError malformed_message
 */
export function reportDataOfQuote(bytes: Uint8Array): Uint8Array {
  return parseQuote(bytes).reportData
}
