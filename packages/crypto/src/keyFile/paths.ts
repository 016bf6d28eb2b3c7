import { realpathSync } from 'node:fs'
import { dirname, join, parse, relative, resolve, sep } from 'node:path'

/**
 * Whether a path leads into a folder, or is the folder itself, whatever symbolic links and dots say. What it leads to
 * need not exist.
 */
export function isInside(path: string, folder: string): boolean {
  const way = relative(realPathOf(folder), realPathOf(path))
  return way !== '..' && !way.startsWith(`..${sep}`) && resolve(way) !== way
}

/**
 * A path that `resolve` and `join` take for what the system takes it for. They strike `link/..` out; the system goes up
 * from what the link leads to. A path that both take for the same stays as it is.
 */
export function systemPath(path: string): string {
  if (!path.split(sep).includes('..')) return path
  const real = realPathOf(path)
  return real === realPathOf(resolve(path)) ? path : real
}

/** A path as it can be pasted into a shell. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** Where a path leads, as far as there is something. */
function realPathOf(path: string): string {
  // Windows, too, strikes out before it looks.
  const way = sep === '/' ? path : resolve(path)
  const { root } = parse(way)
  let place = root === '' ? process.cwd() : root
  for (const part of way.slice(root.length).split(sep)) {
    place = part === '..' ? dirname(place) : followed(join(place, part))
  }
  return place
}

function followed(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}
