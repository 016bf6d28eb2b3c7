import { parseErrorText } from '../errors.ts'

/** Reply only: the request was refused. */
export const ErrorReply = {
  type: 'Error',
  doc: {
    summary: 'The answer to any request that was refused, and to any frame that is not a request.',
    notes: [
      '`type` is the type of the request, or `Error` if the frame has none; dialect enigma-p2p always writes `Error`, gives the type as `requestType`, and repeats `msg` as `error`.',
      '`id` is that of the request where it can be found, also in a damaged frame, else `""`.',
      '`msg` is printable ASCII of at most 512 characters. It names the field and the wanted shape and never repeats a value.',
    ],
  },
  example: {
    requestType: 'GetDelta',
    message: parseErrorText('GetDelta', 'Address Missing'),
  },
} as const
