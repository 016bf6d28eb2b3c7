/**
 * Refuses endpoints that other machines can reach: the socket has no authentication, and whoever reaches it may read
 * the database and remove contracts.
 *
 * @throws RangeError if the endpoint is neither loopback nor local to the machine
 */
export function assertLoopback(endpoint: string): void {
  if (/^(ipc|inproc):\/\//.test(endpoint)) return
  if (/^tcp:\/\/(127(\.\d{1,3}){3}|\[::1\]|localhost):/.test(endpoint)) return
  throw new RangeError(
    `${endpoint} can be reached from other machines, and the socket has no authentication: bind to 127.0.0.1, or say --insecure`,
  )
}
