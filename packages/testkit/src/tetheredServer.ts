import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { serverUser } from './postgresTools.ts'
import { temporaryFolder } from './temporaryFolder.ts'

/**
 * Runs a server until the other end of file 3 is closed, be it only because that process was killed; then the folder is
 * removed. A shell starts what is in the background with signals of the terminal ignored, and the server obeys them as
 * soon as it has got as far: until then they are sent again. One that was stopped (SIGSTOP) goes on to end.
 */
const tether = `
folder=$1 signal=$2
shift 2
trap 'rm -rf "$folder"' EXIT
"$@" 3<&- &
server=$!
{ read -r _ <&3; while kill -$signal $server && kill -CONT $server; do sleep 0.1; done; } 2>/dev/null &
wait $server
kill $!
`

export interface TetheredOptions {
  /** What ends the server at once. */
  signal: 'QUIT' | 'TERM'
  /** What it says on stderr when it is ready. */
  ready: RegExp
  /** Makes the folder ready, as this process's user. */
  prepare?: (folder: string) => Promise<void>
}

/**
 * A server with a temporary folder of its own. Both are gone at the end of the scope, and when this process ends, also by
 * SIGKILL. It is not root's: as root, it is the user's that Debian's package of PostgreSQL makes.
 */
export class TetheredServer {
  readonly #child: ChildProcess
  #ended = false

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('exit', () => {
      this.#ended = true
    })
  }

  /**
   * @param command the command line, from the folder
   * @throws Error with the end of what the server said, if it ended before it was ready
   */
  static async start(
    command: (folder: string) => readonly string[],
    { signal, ready, prepare }: TetheredOptions,
  ): Promise<TetheredServer> {
    const folder = await temporaryFolder()
    try {
      const user = await serverUser()
      await prepare?.(folder.path)
      if (user) await chown(folder.path, user.uid, user.gid)
      const child = spawn('sh', ['-c', tether, 'sh', folder.path, signal, ...command(folder.path)], {
        ...user,
        cwd: '/',
        // Nothing of the environment changes what the server does.
        env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'GMT' },
        stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
        // A session of its own: Ctrl+C ends the test process, and the server by way of it.
        detached: true,
      })
      await once(child, 'spawn')
      await untilReady(child, ready)
      return new TetheredServer(child)
    } catch (error) {
      await folder[Symbol.asyncDispose]()
      throw error
    }
  }

  get ended(): boolean {
    return this.#ended
  }

  async stop(): Promise<void> {
    if (this.#ended) return
    const end = once(this.#child, 'exit')
    const line = this.#child.stdio[3] as Socket
    line.destroy()
    await end
  }
}

async function untilReady(child: ChildProcess, ready: RegExp): Promise<void> {
  const said: string[] = []
  await new Promise<void>((resolve, reject) => {
    // What it says later is read as well, or it would wait for a reader.
    createInterface({ input: child.stderr! }).on('line', (line) => {
      said.push(line)
      if (said.length > 20) said.shift()
      if (ready.test(line)) resolve()
    })
    child.on('close', () => reject(new Error(`The server ended before it was ready:\n${said.join('\n')}`)))
  })
}
