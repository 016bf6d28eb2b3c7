import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

// The arrows of ARCHITECTURE.md: who may depend on whom. A room that is not listed here fails. Any room may use `bytes`.
const arrows: Record<string, readonly string[]> = {
  bytes: [],
  http: [],
  protocol: [],
  crypto: [],
  state: ['crypto'],
  sandbox: ['state'],
  contract: ['crypto', 'state', 'sandbox', 'client'],
  store: [],
  console: [],
  core: ['protocol', 'crypto', 'state', 'sandbox', 'store', 'http'],
  care: ['store', 'crypto', 'state', 'core'],
  principal: ['crypto', 'http'],
  client: ['protocol', 'crypto'],
  cli: ['protocol', 'crypto', 'sandbox', 'console', 'contract', 'core', 'care', 'principal', 'client'],
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
  'crypto/src/folderLock.ts',
]

const packages = new URL('../packages/', import.meta.url).pathname

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
