// Who may come in where, for those who look whether a core could start.
export { assertLoopbackHost, type HttpAddress } from '../http/httpAddress.ts'
export { readClientKeys } from '../server/clientList.ts'
export { isLocal, needsIpv6 } from '../server/endpoints.ts'
