import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

// The arrows of ARCHITECTURE.md: who may depend on whom. A room that is not listed here fails. Any room may use `bytes`.
const arrows: Record<string, readonly string[]> = {
  bytes: [],
  http: [],
  zmtp: [],
  protocol: [],
  crypto: [],
  state: ['crypto'],
  sandbox: ['state'],
  contract: ['crypto', 'state', 'sandbox', 'client'],
  store: [],
  console: [],
  core: ['protocol', 'crypto', 'state', 'sandbox', 'store', 'http', 'zmtp'],
  care: ['store', 'crypto', 'state', 'core'],
  principal: ['crypto', 'http'],
  client: ['protocol', 'crypto'],
  cli: ['protocol', 'crypto', 'sandbox', 'http', 'console', 'contract', 'core', 'care', 'principal', 'client'],
  testkit: ['protocol', 'crypto', 'client'],
}

/** Rooms, or folders of rooms, that must run in a browser. */
const isomorphic = [
  'bytes/src',
  'protocol/src',
  'crypto/src',
  'state/src',
  'sandbox/src',
  'client/src/user',
  'console/src',
]

/** Files and folders of isomorphic rooms that a conditional or separate export keeps out of browsers. */
const nodeOnly = [
  'crypto/src/engine/node.ts',
  'crypto/src/keyFile/',
  'crypto/src/curveKeyFile.ts',
  'crypto/src/fileLock.ts',
  'crypto/src/folderLock.ts',
  'crypto/src/watchedFile.ts',
]

const packages = fileURLToPath(new URL('../packages/', import.meta.url))

function sources(folder: string): string[] {
  return readdirSync(join(packages, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name === 'dist' ? [] : sources(path)
    return /\.tsx?$/.test(path) ? [path] : []
  })
}

const isTest = (path: string): boolean => /\.(test|fuzz|bench)\.ts$/.test(path) || /^[^/]+\/test\//.test(path)

function imports(path: string): string[] {
  const text = readFileSync(join(packages, path), 'utf8')
  const statements = /^(?:import|export)\b[^'";]*\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm
  return [...text.matchAll(statements)].map(([, from, bare, dynamic]) => (from ?? bare ?? dynamic)!)
}

/** The file of the room that a relative import is of: the contracts' library leaves the ending out. */
function importedFile(from: string, name: string, files: ReadonlySet<string>): string | undefined {
  if (!name.startsWith('.')) return undefined
  const path = join(dirname(from), name)
  return [path, `${path}.ts`, `${path}/index.ts`].find((candidate) => files.has(candidate))
}

/** A way along imports that leads back to where it began, or nothing. Imports of types count. */
function circle(files: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]): string[] | undefined => {
    if (done.has(file)) return undefined
    const here = [...way, file]
    if (way.includes(file)) return here.slice(way.indexOf(file))
    for (const next of files.get(file)!) {
      const found = visit(next, here)
      if (found !== undefined) return found
    }
    done.add(file)
    return undefined
  }
  for (const file of files.keys()) {
    const found = visit(file, [])
    if (found !== undefined) return found
  }
  return undefined
}

describe('arrows between the rooms', () => {
  it('knows every room', () => {
    expect(readdirSync(packages).sort()).toEqual(Object.keys(arrows).sort())
  })

  for (const [room, allowed] of Object.entries(arrows)) {
    it(`${room} depends on ${allowed.join(', ') || 'no other room'}`, () => {
      const { dependencies = {} } = JSON.parse(readFileSync(join(packages, room, 'package.json'), 'utf8')) as {
        dependencies?: Record<string, string>
      }
      const ours = Object.keys(dependencies).flatMap((name) => (name.startsWith('@bletchley/') ? [name.slice(11)] : []))
      expect(ours.filter((name) => name !== 'bytes' && !allowed.includes(name))).toEqual([])

      const known = new Set(Object.keys(dependencies))
      for (const path of sources(`${room}/src`).filter((path) => !isTest(path))) {
        for (const name of imports(path)) {
          const isRelative = name.startsWith('.') || name.startsWith('#') || name.startsWith('node:')
          const packageName = name
            .split('/')
            .slice(0, name.startsWith('@') ? 2 : 1)
            .join('/')
          expect(isRelative || known.has(packageName), `${path} imports ${name}`).toBe(true)
          expect(name.startsWith('.') && name.includes(`/packages/`), `${path} imports ${name}`).toBe(false)
        }
      }
    })
  }

  it.each(Object.keys(arrows))('%s has no circle of files', (room) => {
    const files = new Set(sources(room))
    const graph = new Map(
      [...files].map((file) => [
        file,
        imports(file).flatMap((name) => {
          const imported = importedFile(file, name, files)
          return imported === undefined ? [] : [imported]
        }),
      ]),
    )
    expect(circle(graph)?.join(' → ')).toBeUndefined()
  })

  for (const folder of isomorphic) {
    it(`${folder} runs in a browser`, () => {
      for (const path of sources(folder).filter(
        (path) => !isTest(path) && !nodeOnly.some((only) => path.startsWith(only)),
      )) {
        for (const name of imports(path)) expect(name.startsWith('node:'), `${path} imports ${name}`).toBe(false)
        const code = readFileSync(join(packages, path), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
        expect(/\b(?:Buffer|process|__dirname|require)\b\s*[.(]/.exec(code)?.[0], path).toBeUndefined()
      }
    })
  }
})
