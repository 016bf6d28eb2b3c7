import { readFile } from 'node:fs/promises'
import { bytesToHex } from '@bletchley/bytes'
import { CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { decodeOutput } from '@bletchley/client/user'
import { randomBytes } from '@bletchley/crypto'
import { quoted } from '@bletchley/crypto/key-file'
import { Command } from 'commander'
import { createLogger } from '../log.ts'
import { coreFolder, type DevNetwork, startDevNetwork } from '../network.ts'
import { parseHttpAddress } from '../options.ts'
import { runService } from '../service.ts'
import { type CoreFlags, coreOptions, startOptions } from './core.ts'

/** Seen from `bundle/`, where the command runs. */
const ledger = new URL('../../../contracts/ledger/build/ledger.wasm', import.meta.url)
const gasLimit = 10_000_000n

export const createCommand = () => {
  const command = new Command('demo').description('Run a dev network, deploy a contract on it, compute, and stay up.')
  for (const each of coreOptions()) command.addOption(each.long === '--log-level' ? each.default('warn') : each)
  return command.action(async (flags: CoreFlags) => {
    const logger = createLogger(flags, 'core')
    process.exitCode = await runService(logger, async () => {
      const network = await startDevNetwork(
        { ...startOptions(flags, logger), http: parseHttpAddress(flags.http ?? '127.0.0.1:0') },
        { port: 0, logger: createLogger(flags, 'principal') },
      )
      try {
        for (const each of network.core.endpoints) say(`ready ${each}`)
        await showNetwork(network, flags.data)
      } catch (error) {
        await network.close()
        throw error
      }
      return network
    })
  })
}

async function showNetwork({ core, principal }: DevNetwork, dataFolder: string): Promise<void> {
  const [endpoint] = core.endpoints
  using client = new CoreClient(endpoint!)
  const address = await showLedger(client, core.signingAddress)
  const data = `--data ${quoted(coreFolder(dataFolder))} --principal-url ${principal.url}`
  say(`
The network stays up; Ctrl-C ends it. In a browser:
  ${core.httpUrl}/#/contracts/${address}
From another terminal:
  npx bletchley simulate ${data} ${address} 'total_supply()(uint64)'
  npx bletchley inspect --endpoint ${quoted(endpoint!)}`)
}

/** Two accounts, a transfer, and one that fails: every input and output below crosses the wire encrypted. */
async function showLedger(client: CoreClient, workerAddress: Uint8Array): Promise<string> {
  const contractAddress = randomBytes(32)
  const call = { contractAddress, gasLimit, workerAddress }
  const [alice, bob] = [account(), account()]

  say(`\nDeploying the confidential ledger as ${bytesToHex(contractAddress)}`)
  const deployed = await deployContract(client, await readFile(ledger), {
    ...call,
    callable: 'construct(bytes32,uint64)',
    args: [alice, 1000n],
  })
  if (deployed.kind === 'failed') throw new Error(deployed.message)
  say(`  construct(alice, 1000)          gas ${deployed.usedGas}, ${deployed.exeCode.length} bytes of code`)

  const compute = async (shown: string, callable: string, args: readonly unknown[], returns: string[] = []) => {
    const end = await computeFunction(client, { ...call, callable, args })
    const result = end.kind === 'failed' ? `failed: ${end.message}` : decodeOutput(returns, end.output).join(', ')
    say(`  ${shown.padEnd(31)} gas ${end.usedGas}${result === '' ? '' : `, ${result}`}`)
  }
  say('Computing on it; signatures verified, results decrypted:')
  await compute('transfer(alice, bob, 250)', 'transfer(bytes32,bytes32,uint64)', [alice, bob, 250n])
  await compute('balance_of(alice)', 'balance_of(bytes32)', [alice], ['uint64'])
  await compute('balance_of(bob)', 'balance_of(bytes32)', [bob], ['uint64'])
  await compute('transfer(bob, alice, 9999)', 'transfer(bytes32,bytes32,uint64)', [bob, alice, 9999n])
  await compute('total_supply()', 'total_supply()', [], ['uint64'])
  return bytesToHex(contractAddress)
}

const account = (): string => `0x${bytesToHex(randomBytes(32))}`

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
