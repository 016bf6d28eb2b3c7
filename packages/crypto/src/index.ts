export { decrypt, encrypt } from './aesGcm.ts'
export { CryptoError, type CryptoErrorCode } from './cryptoError.ts'
export { curveKeyLength, parseCurvePublicKey } from './curveKeys.ts'
export { keccak256, keccak256InPieces, lengthPrefixed, lengthPrefixedParts, sha256 } from './hashes.ts'
export { addressOf, ecdh, generateKeyPair, type KeyPair, keyPairFromSecret, parsePublicKey, SecretKey } from './keys.ts'
export { MsgPackReader, type MsgPackType } from './msgPackReader.ts'
export { MsgPackWriter } from './msgPackWriter.ts'
export {
  decodePttRequest,
  decodePttResponse,
  decodeStateKeys,
  encodePttRequest,
  encodePttResponse,
  encodePttResponseInPieces,
  encodeStateKeys,
  encodeStateKeysInPieces,
  type PttRequest,
  type PttResponse,
  pttRequestItems,
  type StateKey,
  stateKeyCount,
} from './ptt.ts'
export { createSimulatedQuote, parseQuote, type Quote, reportDataOfQuote } from './quote.ts'
export { randomBytes } from './random.ts'
export { Secret } from './secret.ts'
export { recoverAddress, sign, signInPieces, signItems } from './signature.ts'
export {
  computeFailureItems,
  computeInputsHash,
  computeSuccessItems,
  deployFailureItems,
  deployInputsHash,
  deploySuccessItems,
  type EthereumCall,
} from './task.ts'
export { userMessageItems } from './userMessage.ts'
export { decodeZ85, encodeZ85 } from './z85.ts'
