import { TupleWriter } from './abi'
import { Address } from './fixedBytes'
import { writeEthBridge } from './host'
import { openMemory } from './memory'
import { revert } from './revert'

/**
 * A contract on Ethereum. `ethereumBinding` makes a class that extends it from the JSON ABI, with a method for each
 * function. A call is made by whoever settles the task on the chain, after the run; it returns nothing, and only the last
 * one of a run counts.
 */
export class EthereumContract {
  /** Where the heads of the arguments end. */
  private headsEnd: usize = 0

  constructor(readonly address: Address) {}

  /**
   * Begins a call; nothing may be allocated until it is sent.
   *
   * @param components how many arguments there are
   */
  protected beginCall(components: i32): TupleWriter {
    const args = new TupleWriter(components, 4)
    this.headsEnd = args.end
    return args
  }

  /** @param selector the first four bytes of the payload, big-endian */
  protected sendCall(selector: u32, args: TupleWriter): void {
    if (args.head != this.headsEnd) revert('Ethereum: arguments do not fit their number')
    const payload = openMemory()
    store<u32>(payload, bswap<u32>(selector))
    writeEthBridge(payload, args.end - payload, changetype<usize>(this.address))
  }
}
