declare module 'fs-native-extensions' {
  /** Takes the operating system's lock on a range of bytes of an open file; false if somebody else has it. */
  export function tryLock(fd: number, offset?: number, length?: number, options?: { shared?: boolean }): boolean
  export function unlock(fd: number, offset?: number, length?: number): void
}
