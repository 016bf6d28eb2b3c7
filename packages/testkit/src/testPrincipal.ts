import { bytesToHex } from '@bletchley/bytes'
import type { CoreClient } from '@bletchley/client'
import {
  addressOf,
  decodePttRequest,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  keccak256,
  sha256,
  sign,
} from '@bletchley/crypto'

/** A principal without a network, as the original integration tests had: a contract's key follows from its address. */
export class TestPrincipal {
  readonly #signer = generateKeyPair()

  /** 20 bytes in hex. */
  get address(): string {
    return bytesToHex(addressOf(this.#signer.publicKey))
  }

  /** `sha256(keccak256(address))`: the key of the vector `fake_state_key`. */
  stateKey(address: Uint8Array): Uint8Array {
    return sha256(keccak256(address))
  }

  /** Answers a worker's request with the keys of these contracts. */
  answer(request: Uint8Array, addresses: readonly Uint8Array[]): { response: Uint8Array; sig: Uint8Array } {
    const { id, publicKey } = decodePttRequest(request)
    const mine = generateKeyPair()
    const keys = encodeStateKeys(addresses.map((address) => ({ address, key: this.stateKey(address) })))
    const encrypted = encrypt(ecdh(mine.secretKey, publicKey), keys)
    const response = encodePttResponse({ id, publicKey: mine.publicKey, encrypted })
    return { response, sig: sign(this.#signer.secretKey, response) }
  }

  /** Carries a whole key exchange, as a p2p node does. Returns the contracts that did not rebuild. */
  async installKeys(client: CoreClient, addresses: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const { request } = await client.methods.getPTTRequest(undefined)
    const { errors } = await client.methods.pTTResponse(this.answer(request, addresses))
    return errors.map(({ address }) => address)
  }
}
