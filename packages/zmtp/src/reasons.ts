/**
 * Why a connection has ended.
 *
 * * `peer`: the peer ended it, or it was lost
 * * `not_listed`: the peer's key is not welcome; it was told so
 * * `wrong_server_key`: the peer took another key for this server's
 * * `no_key`: the peer wants another mechanism than this server has, or left before it had shown the key that it needs
 * * `malformed`: the peer broke the protocol
 * * `frame_too_large`: a frame was announced that is larger than frames may be
 * * `handshake_timeout`: the handshake took too long
 * * `silent`: nothing came for as long as the peer had said that it lives
 * * `deaf`: the peer took nothing of what waits for it for too long
 * * `slow`: the peer let others wait for the room that it had
 * * `displaced`: another connection has its place
 * * `closed`: by this side
 */
export type EndReason =
  | 'peer'
  | 'not_listed'
  | 'wrong_server_key'
  | 'no_key'
  | 'malformed'
  | 'frame_too_large'
  | 'handshake_timeout'
  | 'silent'
  | 'deaf'
  | 'slow'
  | 'displaced'
  | 'closed'

/** What a peer has sent ends its connection. */
export class ProtocolError extends Error {
  readonly reason: EndReason
  /** The command that tells the peer, where one does. */
  readonly farewell: Uint8Array | undefined

  constructor(reason: EndReason, text: string, farewell?: Uint8Array) {
    super(text)
    this.reason = reason
    this.farewell = farewell
  }
}

export function malformed(text: string): ProtocolError {
  return new ProtocolError('malformed', text)
}
