import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterEach, expect, it } from 'vitest'
import { frame, message, openings, Wire } from './wire.ts'

const open: (ChildProcess | Wire)[] = []

afterEach(() => {
  for (const each of open.splice(0)) {
    if (each instanceof Wire) each.socket.destroy()
    else each.kill('SIGKILL')
  }
})

/** Serves in a process of its own. */
const program = `
import { listen } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
const listener = await listen(['tcp://127.0.0.1:*'], { onMessage: (connection, { parts }) => void connection.send(parts) })
console.log(listener.endpoints[0])
process.stdin.on('data', () => {
  console.log(JSON.stringify({ connections: listener.connections.size }))
})
`

it('a server without files left serves those that it has, and others when there are some again', async () => {
  const limited = ['-c', 'ulimit -n 60; exec "$0" --input-type=module -e "$1"', process.execPath, program]
  const child = spawn('sh', limited, { stdio: ['pipe', 'pipe', 'inherit'] })
  open.push(child)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => (await lines.next()).value as string
  const endpoint = await next()
  const connect = (): Wire => {
    const wire = new Wire(endpoint)
    open.push(wire)
    wire.send(openings['3.1'].opening)
    return wire
  }
  const first = connect()
  await first.until('READY')
  // All at once: each is served, or ended, and none waits.
  const crowd = Array.from({ length: 200 }, connect)
  await Promise.all(crowd.map((wire) => Promise.race([wire.until('READY'), wire.ended()])))
  const served = crowd.filter((wire) => wire.text.includes('READY'))
  expect(served.length).toBeGreaterThan(0)
  expect(served.length).toBeLessThan(60)
  for (const [index, wire] of served.entries()) {
    wire.send(message(frame, ['', `text ${index}`]))
    await wire.until(`text ${index}`)
  }
  first.send(message(frame, ['', 'text']))
  await first.until('text')
  child.stdin.write('\n')
  expect(JSON.parse(await next())).toMatchObject({ connections: served.length + 1 })

  for (const wire of served) wire.socket.destroy()
  for (;;) {
    const wire = connect()
    await Promise.race([wire.until('READY'), wire.ended()])
    if (wire.text.includes('READY')) break
  }
  expect(child.exitCode).toBeNull()
  child.kill()
  await once(child, 'exit')
})
