import { parseUtf8 } from '@bletchley/bytes'
import type { HostFunction } from './environment.ts'

/** `(pointer, length)`: sets the result of the run. The last call counts; the run goes on. */
export const ret: HostFunction = {
  name: 'ret',
  parameters: 2,
  returnsValue: false,
  call(environment, pointer, length) {
    environment.output = environment.read(pointer!, length!)
    return undefined
  },
}

const addressBytes = 20

/** `(payload, payload length, address)`: asks for one call of an Ethereum contract. The last call counts. */
export const writeEthBridge: HostFunction = {
  name: 'write_eth_bridge',
  parameters: 3,
  returnsValue: false,
  call(environment, payload, length, address) {
    environment.ethereum = {
      payload: environment.read(payload!, length!),
      address: environment.read(address!, addressBytes),
    }
    return undefined
  },
}

/**
 * `(pointer, length)`: a message for whoever debugs the contract, and for the user if the contract gives up right after
 * it; text that is not UTF-8 prints as nothing.
 */
export const eprint: HostFunction = {
  name: 'eprint',
  parameters: 2,
  returnsValue: false,
  call(environment, pointer, length) {
    const text = parseUtf8(environment.read(pointer!, length!)) ?? ''
    environment.lastWords = text
    environment.invocation.host.print?.(text)
    return undefined
  },
}
