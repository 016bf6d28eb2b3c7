import { computeFunction } from '@bletchley/client'
import { Command } from 'commander'
import { parseBytes } from '../options.ts'
import { addTaskOptions, readCall, runTask, showOutput, type TaskFlags } from '../task.ts'

export const createCommand = () =>
  addTaskOptions(new Command('compute'))
    .description('Compute a function of a deployed contract: encrypt, send, verify, decrypt.')
    .argument('<address>', 'the contract’s address', parseBytes(32))
    .argument('<callable>', 'the function, name(type,…); with (type,…) behind it, the result is decoded')
    .argument('[args...]', 'its arguments')
    .addHelpText('after', "\nExample: bletchley compute <address> 'balance_of(bytes32)(uint64)' 0x11…11")
    .action(async (contractAddress: Uint8Array, callable: string, args: string[], flags: TaskFlags) => {
      const call = await readCall(callable, args, flags)
      await runTask(flags, { ...call, contractAddress }, computeFunction, ({ output, delta, ethereum }) => ({
        ...showOutput(output, call.returns),
        delta: delta === undefined ? null : delta.key,
        ...(ethereum.payload !== '' && { ethereum }),
      }))
    })
