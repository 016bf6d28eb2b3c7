import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { vi } from 'vitest'

// What a command has of its process, in the process of a test.

export interface Output {
  stdout: string
  stderr: string
}

/** What some work writes to the standard streams. */
export async function outputOf(work: () => unknown): Promise<Output> {
  const written = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text)
      return true
    }),
  )
  try {
    await work()
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return written
}

/** Somebody at a terminal, who types these lines, each when the question for it is there. */
export async function atTerminal<T>(answers: readonly string[], work: () => Promise<T>): Promise<T> {
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  return withProperty(process, 'stdin', stdin, () =>
    withProperty(process.stderr, 'isTTY', true, async () => {
      const working = work()
      for (const answer of answers) {
        await once(stdin, 'resume')
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
