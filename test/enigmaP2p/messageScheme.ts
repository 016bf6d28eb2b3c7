// What enigma-p2p (commit 95529ba2) lets through to its core. It checks every request against a JSON schema first: in
// the message itself it drops members that the schema does not know, inside of it it refuses them. So what one core
// says and the node repeats to another core has to fit these shapes to the letter.

type Scheme = 'string' | 'number' | { readonly items: Scheme } | { readonly members: Members }
type Members = { readonly [name: string]: Scheme }

const numbers: Scheme = { items: 'number' }
const range: Scheme = { members: { address: 'string', from: 'number', to: 'number' } }
const taskMembers: Members = {
  encryptedArgs: 'string',
  encryptedFn: 'string',
  userDHKey: 'string',
  gasLimit: 'number',
  contractAddress: 'string',
}

/** Members beside `type` and `id`; all of them are required. */
const schemes = {
  GetRegistrationParams: {},
  GetTip: { input: 'string' },
  GetTips: { input: { items: 'string' } },
  GetAllTips: {},
  GetAllAddrs: {},
  GetDelta: { input: { members: { address: 'string', key: 'number' } } },
  GetDeltas: { input: { items: range } },
  GetContract: { input: 'string' },
  UpdateNewContract: { address: 'string', bytecode: numbers },
  UpdateNewContractOnDeployment: {
    address: 'string',
    bytecode: 'string',
    delta: { members: { key: 'number', data: numbers } },
  },
  RemoveContract: { address: 'string' },
  UpdateDeltas: { deltas: { items: { members: { address: 'string', key: 'number', data: numbers } } } },
  RemoveDeltas: { input: { items: range } },
  NewTaskEncryptionKey: { userPubKey: 'string' },
  DeploySecretContract: { input: { members: { ...taskMembers, preCode: numbers } } },
  ComputeTask: { input: { members: taskMembers } },
  GetPTTRequest: {},
  PTTResponse: { input: { members: { response: 'string', sig: 'string' } } },
} as const satisfies Record<string, Members>

export type MessageType = keyof typeof schemes

/** What the node reports of a request that does not fit; it never leaves the node. */
export class SchemeError extends Error {}

/**
 * The frame that reaches the socket: type, id, and the members of the schema in the schema's order.
 *
 * @throws SchemeError if the node would keep the request to itself
 */
export function frameOf(message: { type: MessageType; id: string; [member: string]: unknown }): string {
  const frame: Record<string, unknown> = { type: message.type, id: message.id }
  for (const [name, scheme] of Object.entries<Scheme>(schemes[message.type])) {
    frame[name] = checked(message[name], scheme, name)
  }
  return JSON.stringify(frame)
}

function checked(value: unknown, scheme: Scheme, where: string): unknown {
  if (scheme === 'string' || scheme === 'number') {
    if (typeof value === scheme) return value
    throw new SchemeError(`${where} is not a ${scheme}`)
  }
  if ('items' in scheme) {
    if (!Array.isArray(value)) throw new SchemeError(`${where} is not an array`)
    return value.map((item, i) => checked(item, scheme.items, `${where}[${i}]`))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SchemeError(`${where} is not an object`)
  }
  const surplus = Object.keys(value).filter((name) => !Object.hasOwn(scheme.members, name))
  if (surplus.length > 0) throw new SchemeError(`${where} has surplus members: ${surplus.join()}`)
  return Object.fromEntries(
    Object.entries(scheme.members).map(([name, member]) => [
      name,
      checked((value as Record<string, unknown>)[name], member, `${where}.${name}`),
    ]),
  )
}
