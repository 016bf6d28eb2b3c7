import { computeFunction } from '@bletchley/client'
import { hexToBytes } from '@bletchley/crypto'
import { Command } from 'commander'
import { CommandError, exitCodes } from '../exitCodes.ts'
import { addTaskOptions, parseCall, runTask, showOutput, type TaskFlags } from '../task.ts'

export const createCommand = () =>
  addTaskOptions(new Command('compute'))
    .description('Compute a function of a deployed contract: encrypt, send, verify, decrypt.')
    .argument('<address>', 'the contract’s address')
    .argument('<callable>', 'the function, name(type,…); with (type,…) behind it, the result is decoded')
    .argument('[args...]', 'its arguments')
    .addHelpText('after', "\nExample: bletchley compute <address> 'balance_of(bytes32)(uint64)' 0x11…11")
    .action(async (address: string, callable: string, args: string[], flags: TaskFlags) => {
      const digits = address.replace(/^0x/i, '')
      if (!/^[0-9a-f]{64}$/i.test(digits)) {
        throw new CommandError('The address must be 32 bytes in hex (64 digits).', exitCodes.usage)
      }
      const call = parseCall(callable, args)
      await runTask(
        flags,
        {
          ...call,
          contractAddress: hexToBytes(digits),
          gasLimit: flags.gasLimit,
          ...(flags.worker && { workerAddress: flags.worker }),
        },
        computeFunction,
        ({ output, delta, ethereum }) => ({
          ...showOutput(output, call.returns),
          delta: delta === undefined ? null : delta.key,
          ...(ethereum.payload !== '' && { ethereum }),
        }),
      )
    })
