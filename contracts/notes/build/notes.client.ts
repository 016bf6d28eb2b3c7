// The client of Notes, written by `bletchley contract abi`. The functions throw TaskFailed if their task fails.
import { type Computed, type ContractOptions, type CoreClient, type DeployOptions, SecretContract } from '@bletchley/client'

/** Hexadecimal digits behind 0x, or the bytes. */
type Bytes = Hex | Uint8Array

type Hex = `0x${string}`

export type NotesConstructor = []

/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */
export type NotesFunctions = {
  write: { args: [text: Bytes]; result: Hex }
  change: { args: [key: Bytes, text: Bytes]; result: undefined }
  read: { args: [key: Bytes]; result: Hex }
  remove: { args: [key: Bytes]; result: undefined }
  share: { args: [key: Bytes]; result: { note: Hex; pass: Hex } }
  readShared: { args: [note: Bytes, pass: Bytes]; result: Hex }
  revoke: { args: [key: Bytes, passId: Bytes]; result: undefined }
}

export class Notes {
  readonly contract: SecretContract

  constructor(contract: SecretContract) {
    this.contract = contract
  }

  /** The contract that is deployed at an address of 32 bytes. */
  static at(client: CoreClient, address: Uint8Array, options?: ContractOptions): Notes {
    return new Notes(new SecretContract(client, address, options))
  }

  static async deploy(client: CoreClient, preCode: Uint8Array, args: NotesConstructor, options?: DeployOptions): Promise<Notes> {
    const construct = 'construct()'
    return new Notes(await SecretContract.deploy(client, preCode, construct, args, options))
  }

  write(text: Bytes): Promise<Computed<Hex>> {
    return this.contract.compute('write(bytes)', [{ name: '', type: 'bytes32' }], [text])
  }

  change(key: Bytes, text: Bytes): Promise<Computed<undefined>> {
    return this.contract.compute('change(bytes32,bytes)', [], [key, text])
  }

  read(key: Bytes): Promise<Computed<Hex>> {
    return this.contract.compute('read(bytes32)', [{ name: '', type: 'bytes' }], [key])
  }

  remove(key: Bytes): Promise<Computed<undefined>> {
    return this.contract.compute('remove(bytes32)', [], [key])
  }

  share(key: Bytes): Promise<Computed<{ note: Hex; pass: Hex }>> {
    return this.contract.compute('share(bytes32)', [{ name: 'note', type: 'bytes32' }, { name: 'pass', type: 'bytes32' }], [key])
  }

  readShared(note: Bytes, pass: Bytes): Promise<Computed<Hex>> {
    return this.contract.compute('readShared(bytes32,bytes32)', [{ name: '', type: 'bytes' }], [note, pass])
  }

  revoke(key: Bytes, passId: Bytes): Promise<Computed<undefined>> {
    return this.contract.compute('revoke(bytes32,bytes32)', [], [key, passId])
  }
}
