// Made by ethereumBinding from the JSON ABI of TallyBoard. Make it again instead of changing it.
import { EthereumContract, U256 } from '@bletchley/contract/assembly'

export class TallyBoard extends EthereumContract {
  /** `announce(string,uint256[])` */
  announce(question: string, votes: Array<U256>): void {
    const args = this.beginCall(2)
    args.write<string>(question)
    args.write<Array<U256>>(votes)
    this.sendCall(0x558a0c95, args)
  }
}
