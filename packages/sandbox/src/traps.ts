/** Engine messages (V8) and the trap texts of the reference. @see spec/runtime.md 5.4 */
const trapTexts: readonly (readonly [RegExp, string])[] = [
  [/^unreachable/, 'unreachable'],
  [/^memory access out of bounds/, 'memory access out of bounds'],
  [/^(table index is out of bounds|table access out of bounds)/, 'table access out of bounds'],
  [/^null function or function signature mismatch/, 'unexpected signature'],
  [/^indirect call signature mismatch/, 'unexpected signature'],
  [/^(divide|remainder) by zero/, 'division by zero'],
  [/^(divide result|float) unrepresentable/, 'invalid conversion to int'],
]

/** The reference's text for a trap; a trap that it does not know keeps the engine's words. */
export function trapText(error: WebAssembly.RuntimeError): string {
  return trapTexts.find(([pattern]) => pattern.test(error.message))?.[1] ?? error.message
}

/** Whether the engine's own stack ended. It is sized so that the stack counter always ends a run first. */
export function isEngineStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Maximum call stack size exceeded'
}
