import { errorKinds } from './errors.ts'
import * as limits from './limits.ts'
import type { MessageType } from './registry.ts'
import { messageOf, messageTypes, replies } from './registry.ts'
import type { Dialect, Reply, ResultReply } from './reply.ts'
import { dialects, encodeReply } from './reply.ts'
import { decodeRequest, encodeRequest } from './request.ts'

const exampleId = 'k7Qx2mVb9TzA'
const decoder = new TextDecoder()

/** The notation of values: name, canonical form, what else is accepted. */
const notations: readonly (readonly [string, string, string])[] = [
  ['`address`', '64 hex characters, 32 bytes', '`0x`, either letter case, an array of 32 numbers'],
  ['`hex`', 'lower-case hex without `0x`', '`0x`, either letter case, an array of numbers'],
  ['`hex(n)`', 'the same, of n bytes', 'the same'],
  ['`public key`', 'hex of 64 bytes', 'the same; also 65 bytes with a leading 04, and 33 (compressed)'],
  ['`bytes[]`', 'array of numbers from 0 to 255', 'hex, with or without `0x`, either letter case'],
  ['`index`', 'integer from 0 to 4294967295', 'nothing else'],
  ['`gas`', 'integer from 0 to 18446744073709551615, every digit exact', '`1.0`, `1e3`, a string of decimal digits'],
  ['`status`', '0 = done, -1 = failed', 'nothing else'],
]

const limitRows: readonly (readonly [string, number])[] = [
  ['bytes in a request', limits.maxFrameBytes],
  ['bytes in a frame that gets a reply; beyond, the connection is ended', limits.hardFrameBytes],
  ['frames in a message', limits.maxFramesPerMessage],
  ['bytes in a reply', limits.maxReplyBytes],
  ['levels of arrays and objects', limits.maxJsonDepth],
  ['values in a request, an array of bytes being one', limits.maxRequestValues],
  ['values in a reply', limits.maxReplyValues],
  ['addresses in GetTips', limits.maxAddresses],
  ['ranges in GetDeltas and RemoveDeltas', limits.maxRanges],
  ['rows in UpdateDeltas', limits.maxDeltas],
  ['characters of `msg`', limits.maxMessageLength],
  ['characters of an unknown `type` that a reply repeats', limits.maxEchoedTypeLength],
]

/** The reference page `docs/messages.md`, made of the same definitions that the codec runs on. */
export function renderReference(): string {
  return [
    '# Messages',
    '<!-- Written by scripts/generateMessagesDoc.mjs from packages/protocol; edit the messages there. -->',
    'One UTF-8 JSON object in each frame; each frame is answered by exactly one frame. A reply has the `id` of its request, ' +
      'which may be any JSON string (of up to 64 KiB), number or boolean and is repeated digit by digit. Type and member names are ' +
      'case-sensitive; unknown members are ignored; a known member that is given twice is an error.',
    'The core serves ZeroMQ, by default at `tcp://127.0.0.1:5552`. A REQ socket has one request under way. A DEALER ' +
      'socket, with or without the empty frame that REQ puts first, may have many: their replies come in the order in ' +
      'which they are done, and are told apart by `id`. The frames of a multipart message are requests of their own, ' +
      'and their replies come as one message in the same order.',
    'What stands before the first empty frame is the way back to a peer behind proxies, and is repeated before the reply, if ' +
      'it has at most 15 frames, and each of them can be the identity of a socket: at most 255 bytes, of which the first is ' +
      'not `{` (white space aside). Otherwise, and behind that frame, an empty frame is a request like the others, and gets an error.',
    'What changes a contract, tasks included, takes effect in the order in which it came, for each contract by itself. Of ' +
      'several connections it is the order in which it was read, which takes longer for a large request. Reads wait for none of it: they show what is stored when they are answered, and so overtake ' +
      'a change that came before them by the same connection and is not answered yet. Whoever must see his change waits ' +
      'for its reply, at which it is stored.',
    'Wherever an object is wanted, a list of one object will do, and so will an array of its values in the order shown. ' +
      'Wherever a list is wanted, a single value will do. White space inside hex is refused.',
    table(['Notation', 'Written', 'Accepted as well'], notations),
    'A member with `?` may be absent or null; what is absent is not written.',
    ...messageTypes.map(renderMessage),
    ...renderReplies(),
    '## Errors',
    'Each error has a code inside the program; on the wire it is the text of an Error reply. A retryable error may go ' +
      'away when the same request is sent again.',
    table(
      ['Code', 'Meaning', 'Retryable'],
      Object.entries(errorKinds).map(([code, kind]) => [`\`${code}\``, kind.meaning, kind.retryable ? 'yes' : 'no']),
    ),
    '## Limits',
    table(
      ['At most', ''],
      limitRows.map(([what, limit]) => [what, String(limit)]),
    ),
  ]
    .join('\n\n')
    .concat('\n')
}

function renderMessage(type: MessageType): string {
  const { doc, input, result, p2pResult, example } = messageOf(type)
  const request = encodeRequest(type, exampleId, example.input as never)
  const decoded = decodeRequest(request)
  if (!decoded.ok) throw new Error(`the example of ${type} is refused: ${decoded.message}`)
  const reply = { kind: 'result', id: exampleId, type, input: decoded.input, result: example.result } as ResultReply
  return [
    `## ${type}`,
    doc.summary,
    list([
      `Sent by ${doc.sender}.`,
      `Access: ${doc.access}. Cost: ${doc.cost}.`,
      `Request: \`{id, type${input.notation && `, ${input.notation}`}}\``,
      `Result: \`${result.notation}\``,
      ...(p2pResult ? [`Result in dialect enigma-p2p: \`${p2pResult.notation}\``] : []),
      ...doc.notes,
      ...Object.entries(doc.errors).map(([code, when]) => `Error \`${code}\`: ${when}.`),
    ]),
    code([decoder.decode(request), ...renderReply(reply)]),
  ].join('\n\n')
}

function renderReplies(): string[] {
  const { FailedTask, Error: error } = replies
  return [
    `## ${FailedTask.type}`,
    FailedTask.doc.summary,
    list([`Result: \`${FailedTask.result.notation}\``, ...FailedTask.doc.notes]),
    code(renderReply({ kind: 'failedTask', id: exampleId, result: FailedTask.example.result })),
    `## ${error.type}`,
    error.doc.summary,
    list(error.doc.notes),
    code(renderReply({ kind: 'error', id: exampleId, ...error.example })),
  ]
}

/** The reply in the document dialect, and in the other where it differs. */
function renderReply(reply: Reply): string[] {
  const [document, ...others] = dialects.map((dialect) => ({ dialect, text: replyText(reply, dialect) }))
  const different = others.filter(({ text }) => text !== document?.text)
  return [document?.text ?? '', ...different.map(({ dialect, text }) => `// ${dialect}:\n${text}`)]
}

function replyText(reply: Reply, dialect: Dialect): string {
  return decoder.decode(encodeReply(reply, dialect))
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n')
}

function code(lines: readonly string[]): string {
  return ['```jsonc', ...lines, '```'].join('\n')
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
