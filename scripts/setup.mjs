// Brings a fresh clone to where the tests and the command can run: dependencies, then a build.
// `npm start` and `npm test` call it first, so it must be quick when there is nothing to do.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`Bletchley needs Node >= 20.19; this is ${process.versions.node}.\n`)
  process.exit(1)
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (error) process.stderr.write(`${command}: ${error.message}\n`)
  if (status !== 0) process.exit(status ?? 1)
}

/** Waits until no other set-up is under way: two first calls at once would break each other's install. */
function lock(path) {
  for (let told = false; ; ) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      process.once('exit', () => rmSync(path, { force: true }))
      return
    } catch (error) {
      if (error.code !== 'EEXIST') {
        // A full disk takes its name, and not its content.
        rmSync(path, { force: true })
        throw error
      }
    }
    const holder = contentOf(path)
    // It was killed, or the machine was.
    if (holder !== '' && !isRunning(Number(holder))) rmSync(path, { force: true })
    else {
      if (!told) process.stderr.write(`Waiting for the set-up that is under way in this clone (${path}).\n`)
      told = true
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    }
  }
}

/** Empty also while the file is being written, and when it is gone. */
function contentOf(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

lock('.setup.lock')
// npm writes this file last, so its age tells whether an install of the present lock file went through.
const installed = 'node_modules/.package-lock.json'
const fresh = existsSync(installed) && statSync(installed).mtimeMs >= statSync('package-lock.json').mtimeMs
if (!fresh) run('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'])
run('npm', ['run', '--silent', 'build'])
