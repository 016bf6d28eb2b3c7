import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const command = fileURLToPath(new URL('../../cli/bin/bletchley.js', import.meta.url))

export interface ProcessOptions {
  env?: Readonly<Record<string, string>>
  /** The working directory; this process's if absent. */
  cwd?: string
  /** Writes beyond this size of a file fail, as they do on a full disk. In KiB. */
  fileSizeLimit?: number
  /** Files, sockets and the like that may be open at once. */
  openFileLimit?: number
  /** Address space (RLIMIT_AS). In KiB. */
  addressSpaceLimit?: number
  /** In octal. */
  umask?: string
  /** What stands on stdin; nothing if absent. */
  input?: string
}

/** How a process ended. */
export interface ProcessEnd {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** The `bletchley` command, running as a process of its own. */
export class CommandProcess {
  readonly #child: ChildProcess
  readonly #end: Promise<ProcessEnd>
  readonly #lines: AsyncIterableIterator<string>
  readonly #listeners = new Set<() => void>()
  #stderr = ''
  #stdout = ''

  constructor(args: readonly string[], options: ProcessOptions = {}) {
    const { env, cwd, fileSizeLimit, openFileLimit, addressSpaceLimit, umask, input } = options
    const limits = [
      // With the signal ignored, a write beyond the limit fails and does not end the process.
      ...(fileSizeLimit === undefined ? [] : [`trap "" XFSZ; ulimit -f ${fileSizeLimit}`]),
      ...(openFileLimit === undefined ? [] : [`ulimit -n ${openFileLimit}`]),
      ...(umask === undefined ? [] : [`umask ${umask}`]),
      ...(addressSpaceLimit === undefined ? [] : [`ulimit -v ${addressSpaceLimit}`]),
    ]
    const line = [process.execPath, command, ...args]
    const [file, ...rest] = limits.length === 0 ? line : ['bash', '-c', `${limits.join('; ')}; exec "$0" "$@"`, ...line]
    const stdin = input === undefined ? 'ignore' : 'pipe'
    this.#child = spawn(file!, rest, { stdio: [stdin, 'pipe', 'pipe'], env: { ...process.env, ...env }, cwd })
    this.#child.stdin?.end(input)
    const { stdout, stderr } = this.#child
    // Decoded by the streams: a character may come in two parts.
    stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
    })
    stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      for (const listener of this.#listeners) listener()
    })
    this.#lines = createInterface({ input: stdout! })[Symbol.asyncIterator]()
    this.#end = new Promise((resolve, reject) => {
      this.#child.on('error', reject)
      this.#child.on('close', (code, signal) => resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr }))
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The next line on stdout. */
  async readLine(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error(`the process ended:\n${(await this.#end).stderr}`)
    return value
  }

  /** What came on stderr so far. */
  get stderr(): string {
    return this.#stderr
  }

  /** Waits until stderr, from `offset` on, matches. */
  untilLogged(pattern: RegExp, offset = 0): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(this.#stderr.slice(offset))) return
        this.#listeners.delete(look)
        resolve()
      }
      this.#listeners.add(look)
      look()
      void this.#end.then(() => reject(new Error(`the process ended without ${pattern}:\n${this.#stderr}`)))
    })
  }

  /** Waits until it has ended, also while what it said has not been read. Its exit code, null after a signal. */
  async exitCode(): Promise<number | null> {
    if (this.running) await once(this.#child, 'exit')
    return this.#child.exitCode
  }

  /** Lets what it says on stderr wait. */
  pauseErrors(): void {
    this.#child.stderr!.pause()
  }

  resumeErrors(): void {
    this.#child.stderr!.resume()
  }

  /** Reads no more of what it prints: its next writes fail. */
  closeOutput(): void {
    this.#child.stdout!.destroy()
    this.#child.stderr!.destroy()
  }

  /** Sends a signal, and does not wait. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Sends a signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<ProcessEnd> {
    this.#child.kill(signal)
    return this.#end
  }

  /** Waits for the process to end by itself. */
  ended(): Promise<ProcessEnd> {
    return this.#end
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running) await this.kill('SIGKILL')
  }
}

/** Runs the command to its end. */
export function runCommand(args: readonly string[], options?: ProcessOptions): Promise<ProcessEnd> {
  return new CommandProcess(args, options).ended()
}
