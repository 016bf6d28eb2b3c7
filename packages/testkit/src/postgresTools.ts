import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { installDebianPackages } from './debianPackages.ts'

export type PostgresTools =
  | {
      available: true
      /** The folder of `initdb`, `postgres` and `psql`. */
      bin: string
      /** The path of `pgbouncer`. */
      pgbouncer: string
    }
  | { available: false; reason: string }

const run = promisify(execFile)

const debianServers = '/usr/lib/postgresql'

/**
 * PostgreSQL and pgbouncer. Where they are missing, root's process installs Debian's packages, of which it starts nothing.
 *
 * @throws Error if they cannot be installed although they might
 */
export async function postgresTools(): Promise<PostgresTools> {
  const found = await findTools()
  if (found.available || !isRoot() || (await findCommand('apt-get')) === undefined) return found
  await withoutMainCluster()
  await installDebianPackages(['postgresql', 'pgbouncer'])
  return findTools()
}

/**
 * Whether the suites that need PostgreSQL can run. If not, it says so on stderr, and how to have them.
 *
 * @example describe.skipIf(!(await canRunPostgres()))('a store on PostgreSQL', () => { … })
 */
export async function canRunPostgres(): Promise<boolean> {
  const tools = await postgresTools()
  if (tools.available) return true
  process.stderr.write(
    `PostgreSQL suites left out: ${tools.reason}. To have them: apt-get install postgresql pgbouncer, or run npm test as root.\n`,
  )
  return false
}

async function findTools(): Promise<PostgresTools> {
  const postgres = await findCommand('postgres', await serverFolders())
  if (postgres === undefined) return { available: false, reason: 'there is no postgres' }
  const pgbouncer = await findCommand('pgbouncer', ['/usr/sbin'])
  if (pgbouncer === undefined) return { available: false, reason: 'there is no pgbouncer' }
  // The user is made after the files: whoever looks while another one installs finds nothing yet.
  if (isRoot() && (await serverUser().catch(() => undefined)) === undefined)
    return { available: false, reason: 'there is no user postgres' }
  return { available: true, bin: dirname(postgres), pgbouncer }
}

/** Whose the servers are: they refuse to be root's, who has the user `postgres` for them. */
export async function serverUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (!isRoot()) return undefined
  const idOf = async (kind: '-u' | '-g'): Promise<number> => Number((await run('id', [kind, 'postgres'])).stdout)
  return { uid: await idOf('-u'), gid: await idOf('-g') }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** Debian keeps the servers of each version apart, and out of the PATH. The newest first. */
async function serverFolders(): Promise<string[]> {
  const versions = await readdir(debianServers).catch(() => [])
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(debianServers, version, 'bin'))
}

async function findCommand(name: string, folders: readonly string[] = []): Promise<string | undefined> {
  const path = process.env.PATH?.split(delimiter) ?? []
  return [...folders, ...path].map((folder) => join(folder, name)).find((file) => existsSync(file))
}

/** Debian's package would make a cluster that starts with the machine. What its administrator wrote stays. */
async function withoutMainCluster(): Promise<void> {
  const folder = '/etc/postgresql-common'
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'createcluster.conf'), 'create_main_cluster = false\n', { flag: 'wx' }).catch(
    (error) => {
      if (error.code !== 'EEXIST') throw error
    },
  )
}
