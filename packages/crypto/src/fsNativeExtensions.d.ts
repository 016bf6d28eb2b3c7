declare module 'fs-native-extensions' {
  /** Takes an advisory lock of the operating system on bytes of an open file; false if another open file has it. */
  export function tryLock(fd: number, offset: number, length: number, options?: { shared?: boolean }): boolean
}
