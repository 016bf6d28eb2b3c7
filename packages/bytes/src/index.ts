export { assertBytes, compareBytes, concatBytes, equalBytes } from './byteArrays.ts'
export { bytesToHex, hexToBytes, parseHex } from './hex.ts'
export { u32At, u32be, u64At, u64be } from './numbers.ts'
export { bytesToUtf8, parseUtf8, utf8ToBytes } from './utf8.ts'
