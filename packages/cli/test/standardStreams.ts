import { once } from 'node:events'
import { PassThrough } from 'node:stream'

// What a command has of its process, in the process of a test.

export interface Output {
  stdout: string
  stderr: string
}

/**
 * What some work writes to the standard streams.
 *
 * @param onText is told each text as it comes
 */
export async function outputOf(work: () => unknown, onText: (text: string) => void = () => {}): Promise<Output> {
  const written = { stdout: '', stderr: '' }
  const writer = (name: keyof Output) => (text: string | Uint8Array) => {
    written[name] += String(text)
    onText(String(text))
    return true
  }
  await withProperty(process.stdout, 'write', writer('stdout'), () =>
    withProperty(process.stderr, 'write', writer('stderr'), work),
  )
  return written
}

/** Sends this process a signal that only those who listen since then hear. */
export function signalTo(name: NodeJS.Signals, before: readonly unknown[]): void {
  for (const listener of process.listeners(name)) if (!before.includes(listener)) listener(name)
}

/** Somebody at a terminal, who types these lines, each when the question for it is there. */
export async function atTerminal<T>(answers: readonly string[], work: () => Promise<T>): Promise<T> {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  return withProperty(process, 'stdin', stdin, () =>
    withProperty(process.stderr, 'isTTY', true, async () => {
      const working = work()
      for (const answer of answers) {
        // It may end without a question.
        await Promise.race([once(stdin, 'resume'), working])
        stdin.write(answer)
      }
      return working
    }),
  )
}

/** With a property of an object changed. */
export async function withProperty<T>(
  object: object,
  name: string,
  value: unknown,
  work: () => T,
): Promise<Awaited<T>> {
  const before = Object.getOwnPropertyDescriptor(object, name)
  Object.defineProperty(object, name, { value, configurable: true, writable: true })
  try {
    return await work()
  } finally {
    if (before === undefined) Reflect.deleteProperty(object, name)
    else Object.defineProperty(object, name, before)
  }
}
