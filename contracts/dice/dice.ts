// Dice that neither the player nor the worker can load, and that everybody can check afterwards.
//
// Rules.
//   1. The player makes up 32 random bytes, his seed, and begins with its hash (keccak256).
//   2. The contract makes up a seed of its own, with the worker's randomness, and answers with its hash.
//   3. The player rolls with his seed. The dice follow from keccak256(player's seed, contract's seed), and both seeds are
//      shown. Each of them was fixed before anybody could know the other.
// To check: hash both seeds and compare with the hashes of 1 and 2, then throw the dice anew from them (`thrown`): the first
// bytes of keccak256(player's seed, contract's seed) that are below 252, each modulo 6, plus 1.
//
// Who knows what. The contract's seed is in the encrypted state; no user can ask for it before the roll. An operator
// without a TEE can read it, but cannot change it any more, and has only the hash of the player's. What he can do is not to
// answer; a game for money has to count a round that was begun and is not finished in time as lost by whoever runs it.
// Nobody but the player knows the seed whose hash the round has, so nobody else can roll. Somebody else can begin the round
// once he knows the hash; the player gets the same promise from `begin` then, as he does if an answer was lost.
//
// Limits. A player may begin many rounds, roll them all, and show the best one. So a round counts for a bet only if its hash
// was named in the bet, before it was rolled.
//
// What leaks: nothing that matters. The result is public by intent. Seeds are lists of numbers in the state, whose lengths
// tell how many of the 32 bytes are small; that is far from guessing one. One hash in 2^90 has too few bytes below 252.
import { Bytes, Bytes32, concatBytes, generateKey, keccak256, require, StateMap } from '@bletchley/contract/assembly'

@tuple
export class Roll {
  constructor(
    public first: u32,
    public second: u32,
    public playerSeed: Bytes32,
    public contractSeed: Bytes32,
  ) {}
}

@contract
export class Dice {
  /** By the hash of the player's. */
  contractSeeds: StateMap<Bytes32, Bytes32>
  playerSeeds: StateMap<Bytes32, Bytes32>

  /** Begins a round, unless it was begun. @returns the hash of the contract's seed, the same each time */
  begin(playerHash: Bytes32): Bytes32 {
    const seed = this.contractSeeds.getOr(playerHash, generateKey())
    this.contractSeeds.set(playerHash, seed)
    return keccak256(seed.toBytes())
  }

  roll(playerSeed: Bytes32): Roll {
    const round = keccak256(playerSeed.toBytes())
    require(this.contractSeeds.has(round), 'no round was begun with that seed')
    require(!this.playerSeeds.has(round), 'rolled already')
    this.playerSeeds.set(round, playerSeed)
    return this.result(round)
  }

  /** What was rolled, for everybody. @param round the hash of the player's seed */
  result(round: Bytes32): Roll {
    require(this.playerSeeds.has(round), 'not rolled yet')
    const playerSeed = this.playerSeeds.get(round)
    const contractSeed = this.contractSeeds.get(round)
    const dice = thrown(keccak256(concatBytes(playerSeed.toBytes(), contractSeed.toBytes())).toBytes())
    return new Roll(dice[0], dice[1], playerSeed, contractSeed)
  }
}

/** Two dice. 252 is a multiple of 6, so that all numbers are equally likely. */
function thrown(bytes: Bytes): StaticArray<u32> {
  const dice = new StaticArray<u32>(2)
  for (let i = 0, count = 0; count < 2; i++) {
    require(i < bytes.length, 'no dice in this hash')
    if (bytes[i] < 252) dice[count++] = (<u32>bytes[i] % 6) + 1
  }
  return dice
}
