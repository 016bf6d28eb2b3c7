/*
 * Secrets on disk: files of the owner only, sealed under one key for each data folder, which lies in a file of its own:
 * as it is, or locked with a passphrase or with a key that a command fetches. `docs/key-files.md` has the formats.
 *
 * What this protects against:
 * - other users of the machine: each file is readable by its owner alone, and one that is not is refused;
 * - copies without what opens them: a backup or a stolen disk with the data folder is of no use if the sealing key is
 *   locked, or was kept elsewhere (option `path`);
 * - damage and confusion: a changed, cut off, renamed or swapped file is noticed, and never overwritten.
 *
 * What it does not protect against:
 * - whoever has both the data folder and the sealing key, which by default lies in that same folder, unlocked;
 * - root, or any process of the same user; and nothing protects the secrets in memory;
 * - putting back an older version of a file that was sealed with the same key for the same purpose.
 *
 * A hardware enclave seals to the processor and the program; this seals to a file. It is no substitute.
 */
export { AccessList, readAccessList } from './keyFile/accessList.ts'
export { backUpKeys, restoreKeys } from './keyFile/backup.ts'
export { KeyFileError, type KeyFileErrorCode } from './keyFile/keyFileError.ts'
export { removeLeftovers } from './keyFile/leftovers.ts'
export type { Lock, ReadPassphrase } from './keyFile/lock.ts'
export { openFile } from './keyFile/openFile.ts'
export {
  describeLock,
  isLockedKeyFile,
  mayHoldKey,
  openSealingKey,
  readSealingKey,
  type SealingOptions,
  sealingKeyPath,
} from './keyFile/openSealingKey.ts'
export {
  createExclusively,
  createFolder,
  maxFileBytes,
  modeIfOpen,
  readOwnerOnly,
  syncFolder,
} from './keyFile/ownerOnlyFile.ts'
export { isInside, quoted, systemPath } from './keyFile/paths.ts'
export {
  type OpenedFile,
  openAllSealed,
  type PurposesOf,
  relockSealingKey,
  rotateSealingKey,
} from './keyFile/rotate.ts'
export {
  listSealed,
  readKeyFolders,
  readOrCreateSealed,
  readSealed,
  sealedFolders,
  sealedIn,
  writeSealed,
} from './keyFile/sealedFile.ts'
export type { SealingKey } from './keyFile/sealingKey.ts'
export {
  isSigningKeyFile,
  openSigningKey,
  readSigningKey,
  replaceSigningKey,
  type SigningIdentity,
  signingKeyFileName,
} from './keyFile/signingKeyFile.ts'
