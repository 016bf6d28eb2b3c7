/** The source does not compile. The message has one line for each error: `file:line:column: what is wrong`. */
export class CompileError extends Error {
  override readonly name = 'CompileError'
}
