// Completes package-lock.json with the optional packages of other platforms.
//
// A registry that does not carry all of them makes npm leave them out of the lock file, and then `npm ci` refuses it,
// everywhere. Only the packages of the platform at hand are ever installed, so name, version and platform are enough.
// With --check it writes nothing, and fails if something is missing.
import { readFileSync, writeFileSync } from 'node:fs'

const path = new URL('../package-lock.json', import.meta.url)
const lock = JSON.parse(readFileSync(path, 'utf8'))

const systems = ['android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32', 'aix']
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'x64']

const missing = {}
for (const parent of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
    if (`node_modules/${name}` in lock.packages) continue
    const words = name.split('/').at(-1).split('-')
    const [os, cpu] = [systems, processors].map((known) => known.filter((word) => words.includes(word)))
    if (os.length !== 1 || cpu.length !== 1) throw new Error(`${name}: the platform is not in the name`)
    missing[`node_modules/${name}`] = {
      version,
      cpu,
      ...(parent.dev && { dev: true }),
      ...(words.includes('musl') && { libc: ['musl'] }),
      optional: true,
      os,
    }
  }
}

const names = Object.keys(missing)
if (process.argv.includes('--check')) {
  if (names.length > 0) {
    process.stderr.write(`package-lock.json lacks ${names.join(', ')}: run node scripts/completeLock.mjs\n`)
    process.exit(1)
  }
} else {
  const byName = ([a], [b]) => (a < b ? -1 : 1)
  lock.packages = Object.fromEntries(Object.entries({ ...lock.packages, ...missing }).sort(byName))
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
  process.stdout.write(`added ${names.length} packages\n`)
}
