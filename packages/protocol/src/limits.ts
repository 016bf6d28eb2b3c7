/** Largest request frame that is parsed at all, in bytes. */
export const maxFrameBytes = 64 * 1024 * 1024

/** A connection that begins a larger frame is ended, before it is in memory: the last wall behind {@link maxFrameBytes}. */
export const hardFrameBytes = 128 * 1024 * 1024

/** Frames of one message; the archived client sends one. */
export const maxFramesPerMessage = 1000

/** Largest reply that is written or read, in bytes. GetDeltas returns everything asked for, so it is wider than a request. */
export const maxReplyBytes = 256 * 1024 * 1024

/** Longest text in a frame, in bytes: an `id`, a `type`, a name. A longer string can only be hex. */
export const maxTextBytes = 64 * 1024

/** Most digits of a number in a row; 20 are needed. */
export const maxDigits = 1024 * 1024

/** Deepest nesting of arrays and objects in a frame; the messages themselves need five. */
export const maxJsonDepth = 64

/**
 * Most JSON values in one request, where an array of bytes counts as one. It keeps a frame of many tiny objects from
 * taking a hundred times its size in memory; {@link maxDeltas} rows need some 80 000.
 */
export const maxRequestValues = 100_000

/** Most JSON values in one reply, see {@link maxRequestValues}. */
export const maxReplyValues = 8_000_000

/** Most addresses in one GetTips. */
export const maxAddresses = 10_000

/** Most ranges in one GetDeltas or RemoveDeltas. */
export const maxRanges = 10_000

/** Most rows in one UpdateDeltas: what can be stored in one batch without keeping everybody else waiting. */
export const maxDeltas = 20_000

/** Longest error text that is put on the wire or taken from it, in characters. */
export const maxMessageLength = 512

/** Longest part of a foreign `type` that is repeated in an error reply, in UTF-16 units. */
export const maxEchoedTypeLength = 64
