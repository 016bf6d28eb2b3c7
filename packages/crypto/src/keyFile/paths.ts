import { realpathSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'

/**
 * Whether a path leads into a folder, or is the folder itself, whatever symbolic links and dots say. What it leads to
 * need not exist.
 */
export function isInside(path: string, folder: string): boolean {
  const way = relative(realPathOf(resolve(folder)), realPathOf(resolve(path)))
  return way !== '..' && !way.startsWith(`..${sep}`) && resolve(way) !== way
}

/** A path as it can be pasted into a shell. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** Where a path leads, as far as there is something. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    const above = dirname(path)
    return above === path ? path : join(realPathOf(above), basename(path))
  }
}
