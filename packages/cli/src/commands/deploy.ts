import { deployContract } from '@bletchley/client'
import { randomBytes } from '@bletchley/crypto'
import { Command } from 'commander'
import { readBytes } from '../inputFile.ts'
import { option, parseBytes } from '../options.ts'
import { addTaskOptions, readCall, runTask, type TaskFlags } from '../task.ts'

interface DeployFlags extends TaskFlags {
  address?: Uint8Array
}

export const createCommand = () =>
  addTaskOptions(new Command('deploy'))
    .description('Deploy a secret contract: encrypt, send, verify, decrypt.')
    .argument('<file>', 'the contract, a .wasm file')
    .argument('<construct>', 'its constructor, construct(type,…)')
    .argument('[args...]', 'the constructor’s arguments')
    .addOption(
      option('--address <address>', 'the contract’s address (default: a random one)').argParser(parseBytes(32)),
    )
    .addHelpText('after', "\nExample: bletchley deploy ledger.wasm 'construct(bytes32,uint64)' 0x11…11 1000")
    .action(async (file: string, construct: string, args: string[], flags: DeployFlags) => {
      const call = await readCall(construct, args, flags)
      const preCode = await readBytes(file)
      await runTask(
        flags,
        { ...call, contractAddress: flags.address ?? randomBytes(32) },
        (client, userCall) => deployContract(client, preCode, userCall),
        ({ exeCode, exeCodeHash }) => ({ codeSize: exeCode.length, codeHash: exeCodeHash }),
      )
    })
