// A process of its own: starts a compute thread as a core does, and prints how much address space that takes.
import '../core.ts'
import { generateKeyPair } from '@bletchley/crypto'
import { reserveMemory } from '@bletchley/sandbox'
import { usedAddressSpace } from './addressSpace.ts'
import { startThread } from './startThread.ts'
import type { MessageFromThread } from './threadMessages.ts'

const base = usedAddressSpace()
const worker = startThread({ signingKey: generateKeyPair().secretKey.bytes, encryptEmptyOutput: false })
worker.on('error', () => print({ base }))
worker.once('message', ({ kind }: MessageFromThread) => {
  if (kind === 'noRoom') print({ base })
  else print({ base, thread: usedAddressSpace() - base, ...memory() })
})

function memory(): { memory?: number } {
  const before = usedAddressSpace()
  return reserveMemory() ? { memory: usedAddressSpace() - before } : {}
}

function print(measured: object): void {
  process.stdout.write(`${JSON.stringify(measured)}\n`, () => process.exit())
}
