import { isMessageType, messages, salvage } from '@bletchley/protocol'

/** What one core sends another: this byte, which is no beginning of JSON, and the peer's frame behind it. */
export const handedOnMark = 0x01

/** The reply to what is not taken: whoever has handed it on is to answer by himself. No peer's reply is empty. */
export const notTaken = new Uint8Array()

/**
 * Whether a frame is a deployment or a computation: cores take nothing else of each other. One that names its type far behind
 * its beginning is not looked through for that.
 *
 * A frame that is read as another message than it says here does not exist: one that has two types is refused.
 */
export function mayBeHandedOn(frame: Uint8Array): boolean {
  const { type } = salvage(frame)
  return type !== undefined && isMessageType(type) && 'isTask' in messages[type]
}
