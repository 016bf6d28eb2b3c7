import { bytesOf, exampleAddress } from '../internal/exampleBytes.ts'
import { defineMessage, inputMember } from '../message.ts'
import type { Codec } from '../wire.ts'
import { address, byteArray, hex, index, inPieces, optional, required, struct } from '../wire.ts'

type DecodedDelta = {
  data: Uint8Array
  /** Only in the dialect enigma-p2p, like `key`. */
  address?: Uint8Array
  key?: number
}
type Delta = {
  readonly address: Uint8Array
  readonly key: number
  readonly data: Uint8Array
}

const documentForm = struct({ delta: byteArray, address: optional(address), key: optional(index) })
const p2pForm = struct({ delta: hex(), data: byteArray, address, key: index })

const result: Codec<DecodedDelta, Delta> = {
  notation: struct({ delta: byteArray }).notation,
  decode(value) {
    const { delta, ...place } = documentForm.decode(value)
    return { data: delta, ...place }
  },
  encode: (writer, { data }) => documentForm.encode(writer, { delta: data }),
  encodeInPieces: (writer, { data }) => inPieces(documentForm, writer, { delta: data }),
}

const p2pResult: Codec<DecodedDelta, Delta> = {
  ...result,
  notation: p2pForm.notation,
  encode: (writer, delta) => p2pForm.encode(writer, { ...delta, delta: delta.data }),
  encodeInPieces: (writer, delta) => inPieces(p2pForm, writer, { ...delta, delta: delta.data }),
}

/** One delta of one contract. */
export const GetDelta = defineMessage({
  type: 'GetDelta',
  doc: {
    summary: 'Gives one delta of one contract.',
    sender: 'a p2p node or a tool',
    access: 'reads',
    notes: [
      '`input` may also be a list of one object.',
      'Dialect enigma-p2p writes `result.delta` as hex and adds the bytes as `data`, with `address` and `key`.',
    ],
    errors: {
      not_found: 'the contract has no delta of this index (`get_delta`)',
      malformed_field: 'without an address: `Address Missing`',
    },
    cost: 'one look-up',
  },
  input: inputMember(struct({ address: required(address, 'Address Missing'), key: index })),
  result,
  p2pResult,
  example: {
    input: { address: exampleAddress, key: 3 },
    result: { address: exampleAddress, key: 3, data: bytesOf(9, 10, 255) },
  },
})
