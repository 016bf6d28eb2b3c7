import { bytesToHex } from '@bletchley/bytes'
import type { ErrorCode } from './errors.ts'
import type { JsonObject, JsonValue } from './internal/jsonReader.ts'
import type { JsonWriter } from './internal/jsonWriter.ts'
import type { Codec, Decoded, Encodable, Fields, Struct } from './wire.ts'
import { address, FieldError, within } from './wire.ts'

/** What the reference page says of a message besides its fields. */
export interface MessageDoc {
  /** What it is for. */
  readonly summary: string
  readonly sender: string
  readonly access: 'reads' | 'writes' | 'computes'
  /** Bounds, order, accepted spellings, limits: one sentence or two each. */
  readonly notes: readonly string[]
  /** When it fails, besides the errors that every message may have. */
  readonly errors: Readonly<Partial<Record<ErrorCode, string>>>
  readonly cost: string
}

/** Where the input of a request stands in the frame. */
export interface InputCodec<Out, In = Out> {
  /** The members of a request besides `id` and `type`, in the notation of the reference page. */
  readonly notation: string
  /** @throws FieldError */
  decode(request: JsonObject): Out
  /** Writes `,"name":value` for each member. @throws FieldError */
  encode(writer: JsonWriter, input: In): void
}

/** The request has only `id` and `type`. */
export const noInput: InputCodec<undefined> = { notation: '', decode: () => undefined, encode: () => undefined }

/** The input is the member `input`. */
export function inputMember<Out, In>(codec: Codec<Out, In>): InputCodec<Out, In> {
  return {
    notation: `input: ${codec.notation}`,
    decode: (request) =>
      within('input', () => {
        const input = request.get('input')
        if (input === undefined || input === null) throw new FieldError(`missing, expected ${codec.notation}`)
        return codec.decode(input)
      }),
    encode: (writer, input) =>
      within('input', () => {
        writer.raw(',"input":')
        codec.encode(writer, input)
      }),
  }
}

/** The members of the input stand beside `id` and `type`. */
export function topLevel<F extends Fields>(codec: Struct<F>): InputCodec<Decoded<Struct<F>>, Encodable<Struct<F>>> {
  return {
    notation: codec.notation.slice(1, -1),
    decode: (request) => codec.decodeMembers(request),
    encode(writer, input) {
      writer.raw(',')
      codec.encodeMembers(writer, input)
    },
  }
}

/** Like {@link topLevel}, for requests whose reply repeats the spelling of `address`: it is kept as `addressText`. */
export function addressed<F extends Fields & { readonly address: Codec<Uint8Array> }>(
  codec: Struct<F>,
): InputCodec<Decoded<Struct<F>> & { addressText: string }, Encodable<Struct<F>>> {
  const input = topLevel(codec)
  return {
    ...input,
    decode(request) {
      const spelling = request.get('address')
      const decoded = input.decode(request)
      return {
        ...decoded,
        addressText: typeof spelling === 'string' ? spelling : bytesToHex(address.decode(spelling ?? null)),
      }
    },
  }
}

/** A value that is called `name` in memory and has no name of its own on the wire. */
export function named<N extends string, Out, In>(
  name: N,
  codec: Codec<Out, In>,
): Codec<{ [K in N]: Out }, { readonly [K in N]: In }> {
  return {
    notation: codec.notation,
    decode: (value: JsonValue) => ({ [name]: codec.decode(value) }) as { [K in N]: Out },
    encode: (writer, value) => codec.encode(writer, value[name]),
  }
}

/** One message: everything there is to say about it, except what the worker does. */
export interface MessageShape {
  readonly type: string
  readonly doc: MessageDoc
  readonly input: InputCodec<unknown, never>
  readonly result: Codec<unknown, never>
  /** The result in the dialect enigma-p2p, where it looks different. */
  readonly p2pResult?: Codec<unknown, never>
  /** What the dialect enigma-p2p repeats beside the result. */
  readonly p2pMirror?: { encodeMembers(writer: JsonWriter, result: never): void }
  /** The reply repeats the `address` of the request, as it was spelt, beside the result. */
  readonly echoesAddress?: true
  /** The worker may answer with a FailedTask. */
  readonly isTask?: true
}

/** Checks that a message is whole, and that its example is of its types. */
export function defineMessage<const M extends MessageShape>(
  message: M & { readonly example: { readonly input: Encodable<M['input']>; readonly result: Encodable<M['result']> } },
): typeof message {
  return message
}

/** A message whose types are not known to the compiler. */
export interface AnyMessage extends MessageShape {
  readonly example: { readonly input: unknown; readonly result: unknown }
}
