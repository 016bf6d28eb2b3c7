import { describe, expect, test } from 'vitest'
import type { AnyWorkerError, ErrorCode } from './index.ts'
import {
  dbCommands,
  dbFailures,
  dbFailureText,
  enclaveErrorNames,
  enclaveErrorText,
  errorKinds,
  existingKeyText,
  fromWireMessage,
  missingKeyText,
  parseErrorText,
  toWireMessage,
  WorkerError,
} from './index.ts'

const address = new Uint8Array(32).fill(0xa5)
const addressText = 'a5'.repeat(32)

test('texts that peers compare are exact (wire.md 1.17, 1.18 and 2)', () => {
  expect(missingKeyText('get_tip', address)).toBe(
    `Error while trying to get_tip, Because: The following Key doesn't exist: ${addressText}`,
  )
  expect(existingKeyText(address)).toBe(
    `Error while trying to create, Because: the key already exists for the following address: "${addressText}"`,
  )
  expect(dbFailureText('update', 'Failed to update the key')).toBe(
    'Error while trying to update, Because: Failed to update the key',
  )
  expect(parseErrorText('GetDelta', 'Address Missing')).toBe(
    'Error while parsing the p2p messages, command: GetDelta, error: Address Missing',
  )
  expect(enclaveErrorText('KeysError')).toBe('Error inside the Enclave = (KeysError)')
})

/** Every code that crosses the wire, with every kind of its data. */
const travellers: AnyWorkerError[] = [
  new WorkerError('malformed_frame', { problem: 'not a JSON object' }),
  new WorkerError('unknown_type', { type: 'gettip' }),
  new WorkerError('malformed_field', { type: 'GetDelta', problem: 'Address Missing' }),
  new WorkerError('limit_exceeded', { limit: 'bytes in a message', maximum: 268435456 }),
  ...dbCommands.map((command) => new WorkerError('not_found', { command, address })),
  new WorkerError('already_exists', { address }),
  ...dbFailures.map((failure) => new WorkerError('store_failed', { command: 'update', failure })),
  ...enclaveErrorNames.map((name) => new WorkerError('enclave_error', { name })),
  new WorkerError('outcome_unknown', {}),
  new WorkerError('task_aborted', { reason: 'crashed' }),
  new WorkerError('task_aborted', { reason: 'took too long' }),
  new WorkerError('task_aborted', { reason: 'ran out of memory' }),
  new WorkerError('busy', { limit: 'requests under way', maximum: 4096 }),
  new WorkerError('shutting_down', {}),
  new WorkerError('internal', { incident: '4f2a' }),
] as AnyWorkerError[]

test.each(travellers.map((error) => [error.message, error] as const))('arrives as it left: %s', (_, error) => {
  const arrived = fromWireMessage(toWireMessage(error, 'unused'))
  expect(arrived).toBeInstanceOf(WorkerError)
  expect({ ...arrived, message: arrived.message }).toEqual({ ...error, message: error.message })
  expect(arrived.retryable).toBe(errorKinds[error.code].retryable)
})

test('every code that has a text on the wire is among them', () => {
  const parsed = (Object.keys(errorKinds) as ErrorCode[]).filter((code) => errorKinds[code].parse)
  expect(new Set(travellers.map(({ code }) => code))).toEqual(new Set(parsed))
})

test('what only a client says has its text, too', () => {
  const texts = [
    new WorkerError('unrecognised', { text: 'x' }),
    new WorkerError('malformed_reply', { problem: 'not a JSON object' }),
    new WorkerError('deadline_exceeded', { deadlineMs: 1500 }),
    new WorkerError('deadline_exceeded', { deadlineMs: 1500, reason: 'it was not sent' }),
    new WorkerError('disconnected', {}),
  ].map(({ message }) => message)
  expect(texts).toEqual([
    'x',
    'Malformed reply: not a JSON object',
    'No reply within 1500 ms',
    'No reply within 1500 ms: it was not sent',
    'Disconnected before the reply came',
  ])
})

test('texts of up to 512 characters are whole, longer ones end in dots', () => {
  const whole = 'x'.repeat(512)
  expect(fromWireMessage(whole).message).toBe(whole)
  expect(fromWireMessage(`${whole}x`).message).toBe(`${'x'.repeat(509)}...`)
})

describe('what does not cross', () => {
  test.each([new Error('key = 5e5e'), new TypeError('5e5e'), '5e5e', undefined, { message: '5e5e', code: 'busy' }])(
    'the text of an exception that is no WorkerError: %s',
    (thrown) => expect(toWireMessage(thrown, '77aa')).toBe('Internal error, incident 77aa'),
  )

  test('a text that is not ours, long or not printable', () => {
    const arrived = fromWireMessage(`${'é\u0007'.repeat(5000)}`)
    expect(arrived.code).toBe('unrecognised')
    expect(arrived.message).toMatch(/^[\x20-\x7e]{1,512}$/)
  })

  test('a name that is in no list', () => {
    expect(fromWireMessage('Error inside the Enclave = (toString)').code).toBe('unrecognised')
    expect(fromWireMessage('Error while trying to fly, Because: Failed to fetch the data').code).toBe('unrecognised')
  })
})
