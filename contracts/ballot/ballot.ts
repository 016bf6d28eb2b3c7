// A secret ballot: who voted for what stays secret for ever, what the sum is goes to a contract on Ethereum.
//
// Who knows what. A voter makes up a paper, 32 random bytes, and hands its hash (keccak256) to the organiser, who puts the
// hashes of those who may vote into the constructor. So the organiser knows who may vote, and cannot vote for them; the
// contract knows papers and votes, and not whose they are. A voter may vote again; the last vote counts, so that a vote
// under somebody's eyes, or one that was sold, can be taken back. After the end everybody knows the sums and the turnout.
// If all agree, the sums tell what each one voted: no ballot can help that. An organiser could add papers of his own, so
// everybody may see the hashes (`electorate`): voters find theirs, and that there are no more than voters.
//
// Time. A contract has no clock, but Ethereum has: the organiser closes the ballot, and the call of `announce` reaches the
// board's contract (tallyBoard.abi.json) when the task is settled. The board knows the block and takes the first result
// that comes after the last block of voting. An organiser who closes early has made a result that no board takes.
//
// What leaks, and what was done about it.
//   * The vote: neither in lengths nor in gas. It is a text of one length that is never the same twice (`conceal`), it was
//     there before the vote, blank, and the sums are made at the end only. So all votes, first and changed, look alike.
//   * Whose vote: a vote's key is the hash of the paper, so all keys have one length.
//   * That somebody voted, and when: who sends a task is seen by others. Vote at a time that many vote.
//   * How many may vote, by the size of the deployment; and the sums, on Ethereum, which is what they are for.
import {
  Address,
  Bytes32,
  conceal,
  keccak256,
  require,
  reveal,
  StateMap,
  StateValue,
  U256,
} from '@bletchley/contract/assembly'
import { TallyBoard } from './tallyBoard'

/** Closing costs 20 000 gas for each; a ballot that nobody can pay for would never end. */
const maxPapers = 1000

@contract
export class Ballot {
  question: StateValue<string>
  choices: StateValue<u32>
  organiserKey: StateValue<Bytes32>
  board: StateValue<Address>
  papers: StateValue<Bytes32[]>
  /** By paper: 0 is blank, and the choices count from 1. */
  votes: StateMap<Bytes32, string>
  sums: StateValue<U256[]>

  /**
   * @param choices how many answers the question has
   * @param papers  keccak256 of each paper
   * @param board   the contract on Ethereum that is told the sums
   */
  constructor(question: string, choices: u32, papers: Bytes32[], organiserKey: Bytes32, board: Address) {
    require(choices > 1 && choices <= 100, 'between 2 and 100 choices')
    require(papers.length <= maxPapers, 'at most 1000 papers')
    this.question.set(question)
    this.choices.set(choices)
    this.organiserKey.set(organiserKey)
    this.board.set(board)
    this.papers.set(papers)
    for (let i = 0; i < papers.length; i++) {
      require(!this.votes.has(papers[i]), 'a paper is there twice')
      this.votes.set(papers[i], conceal(U256.zero))
    }
  }

  about(): string {
    return this.question.get()
  }

  /** keccak256 of each paper that may vote. */
  electorate(): Bytes32[] {
    return this.papers.get()
  }

  /** @param choice from 0 on */
  vote(paper: Bytes32, choice: u32): void {
    const hash = keccak256(paper.toBytes())
    require(this.votes.has(hash), 'there is no such paper')
    require(!this.sums.exists(), 'the ballot is over')
    require(choice < this.choices.get(), 'there is no such choice')
    this.votes.set(hash, conceal(U256.from(choice + 1)))
  }

  /** Ends the ballot, and announces the sums on Ethereum. */
  close(organiserKey: Bytes32): U256[] {
    require(organiserKey == this.organiserKey.get(), 'not the organiser’s key')
    require(!this.sums.exists(), 'the ballot is over')
    const counts = new StaticArray<u64>(101)
    const papers = this.papers.get()
    for (let i = 0; i < papers.length; i++) counts[<i32>reveal(this.votes.get(papers[i])).toU64()]++
    const sums: U256[] = []
    for (let choice: u32 = 1; choice <= this.choices.get(); choice++) sums.push(U256.from(counts[choice]))
    this.sums.set(sums)
    new TallyBoard(this.board.get()).announce(this.question.get(), sums)
    return sums
  }

  result(): U256[] {
    require(this.sums.exists(), 'the ballot goes on')
    return this.sums.get()
  }
}
