// A core's link in a process of its own, for link.test.ts: it answers what it gets, but for frames that are to wait.
import { SecretKey } from '@bletchley/crypto'
import { pino } from 'pino'
import { serveLink } from '../dist/cluster/serveLink.js'

const handler = {
  stopping: false,
  refuse: ({ message }) => Buffer.from(message),
  reuse() {},
  answerHandedOn(frame) {
    process.stdout.write('got a frame\n')
    return frame.includes('wait') ? new Promise(() => {}) : Promise.resolve(frame)
  },
}
const [key, endpoint] = process.argv.slice(2)
const logger = pino({ level: 'silent' })
const server = await serveLink(endpoint, handler, new SecretKey(Buffer.from(key, 'hex')), logger)
process.stdout.write(`${server.endpoints[0]}\n`)
process.stdin.resume().on('end', () => process.exit())
