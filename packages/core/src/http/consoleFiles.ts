import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
}

interface ConsoleFile {
  type: string
  bytes: Uint8Array<ArrayBuffer>
}

/** Reads the web page's files, by path: they are few, and nothing else can ever be asked for. */
export async function loadConsole(folder: string): Promise<ReadonlyMap<string, ConsoleFile>> {
  const files = new Map<string, ConsoleFile>()
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const type = types[extname(entry.name)]
    if (!entry.isFile() || type === undefined) continue
    const file = join(entry.parentPath, entry.name)
    const bytes = new Uint8Array(await readFile(file))
    const path = `/${relative(folder, file).split(sep).join('/')}`
    files.set(path, { type, bytes })
    if (path === '/index.html') files.set('/', { type, bytes })
  }
  return files
}
