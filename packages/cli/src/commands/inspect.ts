import { bytesToHex, bytesToUtf8, parseHex } from '@bletchley/bytes'
import type { CoreClient } from '@bletchley/client'
import { keccak256, parseQuote } from '@bletchley/crypto'
import { isWorkerError } from '@bletchley/protocol'
import { Command } from 'commander'
import { type ConnectionFlags, connectCore, connectionOptions } from '../coreConnection.ts'
import { CommandError, exitCodes, usageError } from '../exitCodes.ts'
import { readBytes } from '../inputFile.ts'
import { inspectModule } from '../inspectModule.ts'
import { jsonOption, print } from '../output.ts'

interface InspectFlags extends ConnectionFlags {
  json?: true
}

export const createCommand = () => {
  const command = new Command('inspect')
  for (const each of connectionOptions()) command.addOption(each)
  return command
    .description('Show what a worker holds, one of its contracts, or what a WebAssembly file is.')
    .argument('[what]', 'a contract’s address, or a .wasm file; the worker if absent')
    .addOption(jsonOption())
    .action(async (what: string | undefined, flags: InspectFlags) => {
      if (what?.endsWith('.wasm')) {
        const { accepted, shown } = inspectModule(what, await readBytes(what))
        if (!accepted) process.exitCode = exitCodes.failed
        return print(shown, flags)
      }
      const address = what === undefined ? undefined : parseHex(what)
      if (what !== undefined && address?.length !== 32) {
        throw usageError('It must be an address of 64 hex digits, or a .wasm file.')
      }
      using client = await connectCore(flags)
      print(address === undefined ? await inspectWorker(client) : await inspectContract(client, address), flags)
    })
}

async function inspectWorker({ methods }: CoreClient): Promise<object> {
  const { signingKey, report, signature } = await methods.getRegistrationParams(undefined)
  const { addresses } = await methods.getAllAddrs(undefined)
  const { tips } = await methods.getAllTips(undefined)
  const tipOf = new Map(tips.map(({ address, key }) => [bytesToHex(address), key]))
  // Those that were left out, since they are large.
  for (const address of addresses) {
    const name = bytesToHex(address)
    const tip = tipOf.has(name) ? undefined : await tipIfAny(methods, address)
    if (tip !== undefined) tipOf.set(name, tip.key)
  }
  return {
    signingKey: bytesToHex(signingKey),
    attestation: signature.length === 0 && isSimulated(report) ? 'simulation' : 'hardware',
    contracts: addresses.map(bytesToHex).map((address) => ({ address, tip: tipOf.get(address) ?? null })),
  }
}

function isSimulated(report: Uint8Array): boolean {
  const quote = Uint8Array.from(Buffer.from(bytesToUtf8(report), 'base64'))
  return parseQuote(quote).simulated
}

async function tipIfAny(methods: CoreClient['methods'], address: Uint8Array) {
  return methods.getTip({ address }).catch((error: unknown) => {
    if (isWorkerError(error) && error.code === 'not_found') return undefined
    throw error
  })
}

async function inspectContract({ methods }: CoreClient, address: Uint8Array): Promise<object> {
  const { bytecode } = await methods.getContract({ address })
  const tip = await tipIfAny(methods, address)
  if (bytecode.length === 0 && tip === undefined)
    throw new CommandError(`The worker has no contract ${bytesToHex(address)}.`)
  return {
    address: bytesToHex(address),
    codeSize: bytecode.length,
    codeHash: bytecode.length === 0 ? null : bytesToHex(keccak256(bytecode)),
    tip: tip === undefined ? null : { key: tip.key, size: tip.data.length, hash: bytesToHex(keccak256(tip.data)) },
  }
}
