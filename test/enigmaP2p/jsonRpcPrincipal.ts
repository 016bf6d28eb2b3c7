import { CommandProcess, temporaryFolder } from '@bletchley/testkit'
import type { StateKeyParams, StateKeySource } from './p2pNode.ts'

/** A principal as operators run it, reached as a node reaches it: JSON-RPC 2.0 over HTTP. */
export interface PrincipalProcess extends AsyncDisposable, StateKeySource {
  /** 40 digits. */
  readonly address: string
}

export async function startPrincipalProcess(): Promise<PrincipalProcess> {
  const folder = await temporaryFolder()
  const process = new CommandProcess(['principal', '--port', '0', '--data', folder.path])
  const line = await process.readLine()
  const [, url, address] = /^ready (\S+) ([0-9a-f]{40})$/.exec(line) ?? []
  if (url === undefined || address === undefined) throw new Error(`unexpected first line: ${line}`)
  let calls = 0
  return {
    address,
    async getStateKeys(params: StateKeyParams) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { accept: 'application/json', 'content-type': 'application/json; charset=utf-8' },
        body: JSON.stringify({ method: 'getStateKeys', jsonrpc: '2.0', params, id: `call ${calls++}` }),
      })
      const { result, error } = (await response.json()) as { result?: { data: string; sig: string }; error?: object }
      if (result === undefined) throw new Error(`the principal refuses: ${JSON.stringify(error)}`)
      return result
    },
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}
