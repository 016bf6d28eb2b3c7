import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** Pre-code from a real compiler: strings, maps, sorting, floats. `call` returns a text about as many accounts as there are bytes of args. */
export const accounts = new Uint8Array(
  gunzipSync(readFileSync(new URL('../../vectors/accounts.wasm.gz', import.meta.url))),
)
