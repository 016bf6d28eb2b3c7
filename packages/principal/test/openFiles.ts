import { readdir, readlink } from 'node:fs/promises'
import { relative } from 'node:path'

/** This process's open files below a folder, as paths from there; none where the system does not tell. */
export async function openFilesOf(folder: string): Promise<string[]> {
  if (process.platform !== 'linux') return []
  const names = await readdir('/proc/self/fd')
  const paths = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return paths.filter((path) => path.startsWith(`${folder}/`)).map((path) => relative(folder, path))
}
