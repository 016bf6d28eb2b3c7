import { lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const templateFolder = fileURLToPath(new URL('../template/', import.meta.url))

/** Files that npm would not pack under their own names, or Git would heed where they lie. */
const renamed = new Map([
  ['gitignore', '.gitignore'],
  ['gitattributes', '.gitattributes'],
])

/**
 * Writes a contract that builds and tests at once into a new folder.
 *
 * @returns the names of its files
 * @throws Error if the folder holds something already
 */
export async function createProject(folder: string): Promise<string[]> {
  const path = resolve(folder)
  if ((await readdir(path).catch(() => [])).length > 0) throw new Error(`${folder} is not empty`)
  await mkdir(path, { recursive: true })
  const written: string[] = []
  for (const name of (await readdir(templateFolder)).sort()) {
    const text = await readFile(join(templateFolder, name), 'utf8')
    const target = renamed.get(name) ?? name
    const filled = text.replaceAll('{{name}}', packageName(path)).replaceAll('{{folder}}', () => folder)
    await writeFile(join(path, target), filled)
    written.push(target)
  }
  return written
}

/** The folder's name as npm allows it. */
function packageName(path: string): string {
  const name = basename(path)
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[._-]+/, '')
  return name === '' ? 'contract' : name
}

/** Packages that tests and clients of contracts import. */
const linkedPackages = ['@bletchley/contract', '@bletchley/client']

/**
 * Lets the files of a folder import the toolkit: packages that cannot be found from there are linked into its
 * `node_modules`, to where this installation has them.
 *
 * @returns the packages that were linked
 */
export async function linkPackages(folder: string): Promise<string[]> {
  const from = createRequire(join(resolve(folder), 'package.json'))
  const missing = linkedPackages.filter((name) => !canResolve(from, name))
  for (const name of missing) {
    const link = join(resolve(folder), 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    // A link whose target is gone.
    if (await lstat(link).catch(() => undefined)) await rm(link)
    await symlink(packageFolder(name), link, 'junction')
  }
  return missing
}

function canResolve(from: NodeJS.Require, name: string): boolean {
  try {
    from.resolve(name)
    return true
  } catch {
    return false
  }
}

function packageFolder(name: string): string {
  const entry = createRequire(import.meta.url).resolve(name)
  return dirname(dirname(entry))
}
