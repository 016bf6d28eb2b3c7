import { type ExecFileOptions, execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Installs Debian packages, unless a command shows that they are there.
 *
 * @param probe a command that succeeds only with the packages, and its arguments
 * @throws Error if they are missing and the process is not root's, or if they cannot be installed
 */
export async function ensureDebianPackages(
  packages: readonly string[],
  [command, ...args]: readonly [string, ...string[]],
): Promise<void> {
  try {
    await run(command, args)
    return
  } catch {
    // They are missing.
  }
  await installDebianPackages(packages)
}

/**
 * Installs Debian packages. None of their services is started.
 *
 * @throws Error if the process is not root's, or if they cannot be installed
 */
export async function installDebianPackages(packages: readonly string[]): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error(`Install the Debian packages ${packages.join(', ')} for this.`)
  await apt(['update'])
  await apt(['install', '-y', '--no-install-recommends', ...packages], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_OFFLINE: '1' },
  })
}

/**
 * Unpacks a Debian package into a folder without installing it, so that none of its services is started.
 *
 * @throws Error if it cannot be downloaded
 */
export async function unpackDebianPackage(name: string, folder: string): Promise<void> {
  if (process.getuid?.() === 0) await apt(['update'])
  await apt(['download', name], { cwd: folder })
  for (const file of await readdir(folder)) {
    if (file.endsWith('.deb')) await run('dpkg-deb', ['-x', join(folder, file), folder])
  }
}

/** Test files run side by side, and apt refuses to while another one is at it; dpkg waits for whoever else installs. */
async function apt(args: readonly string[], options: ExecFileOptions = {}): Promise<void> {
  const lock = join(tmpdir(), 'bletchley-debian-packages.lock')
  await run('flock', [lock, 'apt-get', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3', ...args], options)
}
