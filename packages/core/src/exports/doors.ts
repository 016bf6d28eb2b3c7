// Who may come in where, for those who look whether a core could start.
export { isServed } from '@bletchley/zmtp'
export { type HttpAddress, loopbackAddress } from '../http/httpAddress.ts'
export { readClientKeys } from '../server/clientList.ts'
export { assertEndpoint, isLocal, needsIpv6, withAddress } from '../server/endpoints.ts'
