import { bytesToHex } from '@bletchley/bytes'
import { encodeArguments, parseCallable } from '@bletchley/client/user'
import { type Simulated, type StateChange, simulate } from '@bletchley/core'
import type { GasProfile } from '@bletchley/sandbox'
import { Command } from 'commander'
import { exitCodes } from '../exitCodes.ts'
import { createLogger, type LogFlags } from '../log.ts'
import {
  dataOption,
  gasLimitOption,
  logFormatOption,
  logLevelOption,
  option,
  parseBytes,
  principalOption,
  principalUrlOption,
  runLimitOption,
  sealingKeyOption,
} from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { lockOptions, type SealingFlags, sealingOf } from '../sealing.ts'
import { type ArgumentFlags, argumentsOption, readCall, showOutput } from '../task.ts'

interface SimulateFlags extends SealingFlags, LogFlags, ArgumentFlags {
  data: string
  principal?: Uint8Array
  principalUrl: string
  gasLimit: bigint
  runLimit?: number
  showState?: true
  json?: true
}

/** Functions that are shown: those that cost most. */
const shownFunctions = 10

export const createCommand = () => {
  const command = new Command('simulate')
    .description('Run a function on a worker’s own data as a task would; no result is signed, and nothing is stored.')
    .argument('<address>', 'the contract’s address', parseBytes(32))
    .argument('<callable>', 'the function, name(type,…); with (type,…) behind it, the result is decoded')
    .argument('[args...]', 'its arguments')
    .addOption(argumentsOption())
    .addOption(dataOption())
    .addOption(sealingKeyOption())
  for (const each of lockOptions()) command.addOption(each)
  return command
    .addOption(principalUrlOption('get the state key there, as this worker').makeOptionMandatory())
    .addOption(principalOption())
    .addOption(gasLimitOption())
    .addOption(runLimitOption())
    .addOption(option('--show-state', 'print the keys and values of the state that the run writes'))
    .addOption(jsonOption())
    .addOption(logLevelOption().default('error'))
    .addOption(logFormatOption())
    .addHelpText(
      'after',
      `
For operators: it reads the state with the worker's keys, also while its core runs, and changes nothing. Functions are
counted as in the stored code (GetContract).
Example: bletchley simulate --data .bletchley/core --principal-url http://127.0.0.1:3040 <address> 'total_supply()(uint64)'`,
    )
    .action(async (address: Uint8Array, text: string, args: string[], flags: SimulateFlags) => {
      const call = await readCall(text, args, flags)
      const { types } = parseCallable(call.callable)
      const simulated = await simulate(
        {
          dataFolder: flags.data,
          principalUrl: flags.principalUrl,
          sealing: sealingOf(flags),
          ...(flags.principal !== undefined && { principal: flags.principal }),
          ...(flags.runLimit !== undefined && { runLimitMs: flags.runLimit }),
          logger: createLogger(flags, 'simulate'),
        },
        { address, callable: call.callable, args: encodeArguments(types, call.args), gasLimit: flags.gasLimit },
      )
      print({ ...head(address, simulated), ...body(simulated, call.returns, flags.showState) }, flags)
      if (simulated.outcome.kind === 'failure') process.exitCode = exitCodes.taskFailed
    })
}

function head(address: Uint8Array, { outcome, tip }: Simulated): object {
  return {
    status: outcome.kind === 'success' ? 'success' : 'failed',
    simulation: true,
    contract: bytesToHex(address),
    tip: tip === undefined ? null : { key: tip.key, hash: bytesToHex(tip.hash) },
  }
}

function body({ outcome, printed, changes }: Simulated, returns: string[] | undefined, showState = false): object {
  return {
    ...(outcome.kind === 'success' ? showOutput(outcome.output, returns) : { error: outcome.message }),
    usedGas: String(outcome.usedGas),
    ...(outcome.profile && showProfile(outcome.profile, showState)),
    ...(outcome.kind === 'success' && {
      changedKeys: changes.length,
      ...(showState && { changes: changes.map(showChange) }),
      ...(outcome.ethereum.payload.length > 0 && {
        ethereum: { payload: bytesToHex(outcome.ethereum.payload), address: bytesToHex(outcome.ethereum.address) },
      }),
    }),
    ...(printed.length > 0 && { printed }),
  }
}

/** Where the gas went: what adds up to `usedGas`, and the functions and host calls behind it. */
function showProfile(profile: GasProfile, showState: boolean): object {
  const { functions, memoryGrow, stateWrites, gasCalls, flat, lost, refund, hostCalls } = profile
  const total = (gas: readonly bigint[]) => String(gas.reduce((sum, each) => sum + each, 0n))
  const costly = [...functions].sort((a, b) => (a.gas === b.gas ? a.index - b.index : a.gas > b.gas ? -1 : 1))
  return {
    gas: {
      instructions: total(functions.map(({ gas }) => gas)),
      memoryGrow: String(memoryGrow),
      stateWrites: total(stateWrites.map(({ charged }) => charged)),
      gasCalls: String(gasCalls),
      flat: String(flat),
      lost: String(lost),
      refund: String(-refund),
    },
    functions: costly.slice(0, shownFunctions).map(({ index, gas }) => ({ index, gas: String(gas) })),
    hostCalls,
    ...(showState && {
      stateWrites: stateWrites.map(({ key, writes, charged, refunded }) => ({
        key,
        writes,
        charged: String(charged),
        refunded: String(refunded),
      })),
    }),
  }
}

function showChange({ key, before, after }: StateChange): object {
  return { key, before: before ?? null, after: after ?? null }
}
