import { CoreClient } from '@bletchley/client'
import { readCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import type { Option } from 'commander'
import { usageError } from './exitCodes.ts'
import { curveKeyOption, endpointOption, option, parsePublicKey, timeoutOption } from './options.ts'

/** How to reach a core; of every command that talks to one. */
export interface ConnectionFlags {
  endpoint: string
  timeout: number
  curveServerKey?: Uint8Array
  curveKey?: string
}

export const connectionOptions = (): Option[] => [
  endpointOption(),
  timeoutOption(),
  option('--curve-server-key <key>', 'the core’s public key, in Z85 or hex, if it demands CURVE').argParser(
    parsePublicKey,
  ),
  curveKeyOption('this client’s key file, as `keys curve --client` makes it'),
]

/** @throws CommandError if one of the two keys is missing */
export async function connectCore({
  endpoint,
  timeout,
  curveServerKey,
  curveKey,
}: ConnectionFlags): Promise<CoreClient> {
  if ((curveServerKey === undefined) !== (curveKey === undefined)) {
    throw usageError('CURVE needs both --curve-server-key and --curve-key.')
  }
  if (curveServerKey === undefined || curveKey === undefined) return new CoreClient(endpoint, { timeoutMs: timeout })
  const { publicKey, secretKey } = await readCurveKeyFile(curveKey, 'client')
  const curve = { serverKey: curveServerKey, publicKey, secretKey: secretKey.bytes }
  return new CoreClient(endpoint, { timeoutMs: timeout, curve })
}
