import { lstatSync } from 'node:fs'
import { isInside } from '@bletchley/crypto/key-file'

/** @throws Error if something that is made of a data folder is to lie in it: it would be taken for a part of it */
export function assertOutside(dataFolder: string, target: string, what: string): void {
  if (!isInside(target, dataFolder)) return
  throw new Error(`${target} is inside of ${dataFolder}: ${what} lies elsewhere than what it is of`)
}

/**
 * What is written beside a file and then renamed takes the place of whatever is there: of a pipe, a device, or a link
 * and not what it leads to.
 *
 * @throws Error if something is there that is not a file
 */
export function assertReplaceable(path: string): void {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined || status.isFile()) return
  const what = status.isSymbolicLink() ? 'a symbolic link; name the file itself' : 'there and is not a file'
  throw new Error(`${path} is ${what}; it is not replaced`)
}
