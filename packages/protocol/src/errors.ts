import { bytesToHex, parseHex } from '@bletchley/bytes'
import { printable } from './internal/text.ts'
import { maxEchoedTypeLength, maxMessageLength } from './limits.ts'

/** Names of the errors of the archived core's enclave; peers compare the texts made of them. */
export const enclaveErrorNames = [
  'TaskFailure',
  'KeysError',
  'EncryptionError',
  'SigningError',
  'RecoveringError',
  'PermissionError',
  'SgxError',
  'StateError',
  'OcallError',
  'OcallDBError',
  'MessagingError',
  'WorkerAuthError',
  'KeyProvisionError',
  'Other',
] as const
export type EnclaveErrorName = (typeof enclaveErrorNames)[number]

/** What the database was asked to do, as error texts name it. */
export const dbCommands = [
  'get_tip',
  'get_delta',
  'get_deltas',
  'get_contract',
  'create',
  'read',
  'update',
  'delete',
] as const
export type DbCommand = (typeof dbCommands)[number]

/** Failures of the database itself, as error texts name them. */
export const dbFailures = [
  'Failed to create the key',
  'Failed to fetch the data',
  'Failed to update the key',
  'No keys exist the DB',
] as const
export type DbFailure = (typeof dbFailures)[number]

/** `Error while trying to get_tip, Because: The following Key doesn't exist: <addr>` */
export function missingKeyText(command: DbCommand, address: Uint8Array): string {
  return dbText(command, `The following Key doesn't exist: ${bytesToHex(address)}`)
}

/** `Error while trying to create, Because: the key already exists for the following address: "<addr>"` */
export function existingKeyText(address: Uint8Array): string {
  return dbText('create', `the key already exists for the following address: "${bytesToHex(address)}"`)
}

/** `Error while trying to update, Because: Failed to update the key` */
export function dbFailureText(command: DbCommand, failure: DbFailure): string {
  return dbText(command, failure)
}

/** `Error while parsing the p2p messages, command: GetDelta, error: Address Missing` */
export function parseErrorText(type: string, problem: string): string {
  return `Error while parsing the p2p messages, command: ${type}, error: ${problem}`
}

/** `Error inside the Enclave = (KeysError)` */
export function enclaveErrorText(name: EnclaveErrorName): string {
  return `Error inside the Enclave = (${name})`
}

function dbText(command: DbCommand, reason: string): string {
  return `Error while trying to ${command}, Because: ${reason}`
}

/** What each code carries besides its text. No secret may be among it: the text is made of it and goes on the wire. */
export interface ErrorData {
  malformed_frame: { readonly problem: string }
  unknown_type: { readonly type: string }
  malformed_field: { readonly type: string; readonly problem: string }
  limit_exceeded: { readonly limit: string; readonly maximum: number }
  not_found: { readonly command: DbCommand; readonly address: Uint8Array }
  already_exists: { readonly address: Uint8Array }
  store_failed: { readonly command: DbCommand; readonly failure: DbFailure }
  outcome_unknown: Record<never, never>
  enclave_error: { readonly name: EnclaveErrorName }
  task_aborted: { readonly reason: 'crashed' | 'took too long' | 'ran out of memory' }
  busy: { readonly limit: string; readonly maximum: number }
  shutting_down: Record<never, never>
  internal: { readonly incident: string }
  unrecognised: { readonly text: string }
  malformed_reply: { readonly problem: string }
  deadline_exceeded: { readonly deadlineMs: number; readonly reason?: string }
  disconnected: Record<never, never>
}

export type ErrorCode = keyof ErrorData

interface ErrorKind<C extends ErrorCode> {
  /** One sentence for the reference page. */
  readonly meaning: string
  /** The same request may succeed later, unchanged. */
  readonly retryable: boolean
  readonly text: (data: ErrorData[C]) => string
  /** Gives the data back from the text; absent where the text never crosses the wire. */
  readonly parse?: (text: string) => ErrorData[C] | undefined
}

/** Every code of a {@link WorkerError}: meaning, retryability, text. */
export const errorKinds: { readonly [C in ErrorCode]: ErrorKind<C> } = {
  malformed_frame: {
    meaning: 'The frame is no JSON object with a usable `id` and `type`, or is too large or too deep.',
    retryable: false,
    text: ({ problem }) => `Malformed frame: ${problem}`,
    parse: pattern(/^Malformed frame: (.*)$/, (problem) => ({ problem })),
  },
  unknown_type: {
    meaning: 'There is no message of this type; types are case-sensitive.',
    retryable: false,
    text: ({ type }) => `Unknown message type: ${printable(type, maxEchoedTypeLength)}`,
    parse: pattern(/^Unknown message type: (.*)$/, (type) => ({ type })),
  },
  malformed_field: {
    meaning: 'A field is missing or not of its shape; the text names the field and the wanted shape.',
    retryable: false,
    text: ({ type, problem }) => parseErrorText(type, problem),
    parse: pattern(/^Error while parsing the p2p messages, command: (\w+), error: (.*)$/, (type, problem) => ({
      type,
      problem,
    })),
  },
  limit_exceeded: {
    meaning: 'The request, or the reply to it, is larger than the worker allows; ask for less at a time.',
    retryable: false,
    text: ({ limit, maximum }) => `Limit exceeded: ${limit}, at most ${maximum}`,
    parse: pattern(/^Limit exceeded: (.*), at most (\d{1,15})$/, (limit, maximum) => ({
      limit,
      maximum: Number(maximum),
    })),
  },
  not_found: {
    meaning: 'Nothing is stored for the address or the index.',
    retryable: false,
    text: ({ command, address }) => missingKeyText(command, address),
    parse: pattern(
      /^Error while trying to (\w+), Because: The following Key doesn't exist: ([0-9a-f]*)$/,
      (name, hex) => {
        const command = oneOf(dbCommands, name)
        const address = parseHex(hex)
        return command && address && { command, address }
      },
    ),
  },
  already_exists: {
    meaning: 'The address already holds a contract.',
    retryable: false,
    text: ({ address }) => existingKeyText(address),
    parse: pattern(
      /^Error while trying to create, Because: the key already exists for the following address: "([0-9a-f]*)"$/,
      (hex) => {
        const address = parseHex(hex)
        return address && { address }
      },
    ),
  },
  store_failed: {
    meaning: 'The database failed; nothing was changed.',
    retryable: true,
    text: ({ command, failure }) => dbFailureText(command, failure),
    parse: pattern(/^Error while trying to (\w+), Because: (.*)$/, (name, reason) => {
      const command = oneOf(dbCommands, name)
      const failure = oneOf(dbFailures, reason)
      return command && failure && { command, failure }
    }),
  },
  outcome_unknown: {
    meaning:
      'The database was lost while it wrote. Whether the request was carried out is found out when the same one comes again.',
    retryable: true,
    text: () => 'The database was lost: it is not known whether the request was carried out, send the same one again',
    parse: pattern(/^The database was lost: it is not known whether /, () => ({})),
  },
  enclave_error: {
    meaning: 'A key, a signature or a sealed message was refused; the text carries the name of the kind.',
    retryable: false,
    text: ({ name }) => enclaveErrorText(name),
    parse: pattern(/^Error inside the Enclave = \((\w+)\)$/, (text) => {
      const name = oneOf(enclaveErrorNames, text)
      return name && { name }
    }),
  },
  task_aborted: {
    meaning: 'The thread that ran the task was lost; nothing was stored.',
    retryable: true,
    text: ({ reason }) => `Task aborted: the computation ${reason}`,
    parse: pattern(/^Task aborted: the computation (.*)$/, (text) => {
      const reason = oneOf(['crashed', 'took too long', 'ran out of memory'] as const, text)
      return reason && { reason }
    }),
  },
  busy: {
    meaning:
      'As much is under way or waiting as the worker allows; the text says of what. Nothing was done, but for a task whose reply is too much unread: the same request gets it again, as long as it is kept.',
    retryable: true,
    text: ({ limit, maximum }) => `Busy: too many ${limit}, at most ${maximum}`,
    parse: pattern(/^Busy: too many (.*), at most (\d{1,15})$/, (limit, maximum) => ({
      limit,
      maximum: Number(maximum),
    })),
  },
  shutting_down: {
    meaning: 'The worker is stopping and takes no new request.',
    retryable: true,
    text: () => 'The worker is shutting down',
    parse: pattern(/^The worker is shutting down$/, () => ({})),
  },
  internal: {
    meaning: 'An unforeseen failure; the incident id leads to it in the log of the worker.',
    retryable: false,
    text: ({ incident }) => `Internal error, incident ${incident}`,
    parse: pattern(/^Internal error, incident (.*)$/, (incident) => ({ incident })),
  },
  unrecognised: {
    meaning: 'Client only: the worker refused with a text that this version does not know.',
    retryable: false,
    text: ({ text }) => text,
  },
  malformed_reply: {
    meaning: 'Client only: the reply is not what the message promises, or answers another question than was asked.',
    retryable: false,
    text: ({ problem }) => `Malformed reply: ${problem}`,
  },
  deadline_exceeded: {
    meaning: 'Client only: no reply came in time; the worker may still act on the request.',
    retryable: true,
    text: ({ deadlineMs, reason }) => `No reply within ${deadlineMs} ms${reason === undefined ? '' : `: ${reason}`}`,
  },
  disconnected: {
    meaning: 'Client only: the connection was closed before the reply came.',
    retryable: true,
    text: () => 'Disconnected before the reply came',
  },
}

/** A refusal that a caller can expect; `message` is the text on the wire. Anything else that is thrown is a bug. */
export class WorkerError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'WorkerError'
  readonly code: C
  readonly data: ErrorData[C]

  constructor(code: C, data: ErrorData[C], options?: ErrorOptions) {
    super(printable(errorKinds[code].text(data), maxMessageLength), options)
    this.code = code
    this.data = data
  }

  /** Whether the same request may succeed later, unchanged. */
  get retryable(): boolean {
    return errorKinds[this.code].retryable
  }
}

/** A {@link WorkerError} of any code, narrowed by `code`. */
export type AnyWorkerError = { [C in ErrorCode]: WorkerError<C> & { readonly code: C } }[ErrorCode]

export function isWorkerError(error: unknown): error is AnyWorkerError {
  return error instanceof WorkerError
}

/**
 * The one door from an exception to the text on the wire. Of an exception that is no WorkerError nothing crosses but the
 * incident id, since its text may hold anything.
 *
 * @param incident id under which the caller logs the exception
 */
export function toWireMessage(error: unknown, incident: string): string {
  return (isWorkerError(error) ? error : new WorkerError('internal', { incident })).message
}

/** Rebuilds the error from the text of an error reply; an unknown text becomes `unrecognised`. Never throws. */
export function fromWireMessage(message: string): AnyWorkerError {
  const text = printable(message, maxMessageLength)
  for (const code of Object.keys(errorKinds) as ErrorCode[]) {
    const error = parseAs(code, text)
    if (error !== undefined) return error
  }
  return new WorkerError('unrecognised', { text })
}

function parseAs<C extends ErrorCode>(code: C, text: string): AnyWorkerError | undefined {
  const kind: ErrorKind<C> = errorKinds[code]
  const data = kind.parse?.(text)
  // The compiler does not see that the member of the union for C is WorkerError<C>.
  return data === undefined ? undefined : (new WorkerError(code, data) as AnyWorkerError)
}

function pattern<T>(regex: RegExp, build: (first: string, second: string) => T): (text: string) => T | undefined {
  return (text) => {
    const match = regex.exec(text)
    return match ? build(match[1] ?? '', match[2] ?? '') : undefined
  }
}

function oneOf<const T extends string>(names: readonly T[], name: string): T | undefined {
  return names.find((known) => known === name)
}
