import { malformed } from './reasons.ts'

/** A command: its name, with its length before it, and what belongs to it. */
export function command(name: string, ...contents: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name, 'latin1'), ...contents])
}

/** @throws ProtocolError if there is no name */
export function readCommand(bytes: Buffer): { name: string; content: Buffer } {
  const end = 1 + (bytes[0] ?? 0)
  if (end === 1 || bytes.length < end) throw malformed('a command without a name')
  return { name: bytes.toString('latin1', 1, end), content: bytes.subarray(end) }
}

/** Properties of a socket: name and value, with their lengths before them. */
export function metadata(properties: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(properties).map(([name, value]) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(value.length)
    return command(name, length, Buffer.from(value, 'latin1'))
  })
  return Buffer.concat(parts)
}

/** Properties, by their names in lower case. @throws ProtocolError */
export function readMetadata(bytes: Buffer): Map<string, Buffer> {
  const properties = new Map<string, Buffer>()
  for (let rest = bytes; rest.length > 0; ) {
    const { name, content } = readCommand(rest)
    if (content.length < 4) throw malformed('a property without a length')
    const end = 4 + content.readUInt32BE(0)
    if (end > content.length) throw malformed('a property is longer than its command')
    properties.set(name.toLowerCase(), content.subarray(4, end))
    rest = content.subarray(end)
  }
  return properties
}
