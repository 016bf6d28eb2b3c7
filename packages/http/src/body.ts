import type { IncomingMessage } from 'node:http'

const firstBytes = 16 * 1024

/**
 * Reads the body of a request, whatever pieces it comes in, into no more memory than it has bytes (twice that for a moment).
 *
 * @returns undefined if it is longer, or says so; the rest is left unread
 * @throws Error if it breaks off
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | undefined> {
  // Without one this is NaN, which is not more than anything.
  if (Number(request.headers['content-length']) > maxBytes) return Promise.resolve(undefined)
  return new Promise((resolve, reject) => {
    let bytes = Buffer.allocUnsafe(Math.min(firstBytes, maxBytes))
    let length = 0
    const read = (piece: Buffer): void => {
      const end = length + piece.length
      if (end > maxBytes) {
        request.off('data', read).pause()
        resolve(undefined)
        return
      }
      if (end > bytes.length) {
        const wider = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(end, 2 * bytes.length)))
        bytes.copy(wider, 0, 0, length)
        bytes = wider
      }
      // A piece is a view of what was read from the socket, which it would keep alive.
      piece.copy(bytes, length)
      length = end
    }
    request.on('data', read)
    request.once('end', () => resolve(bytes.subarray(0, length)))
    // It comes behind an error, too.
    request.once('close', () => reject(new Error('The request ended in the middle of its body')))
  })
}
