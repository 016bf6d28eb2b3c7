/** What TypeScript takes for something else where a parameter is named. */
export const reservedWords: ReadonlySet<string> = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export extends false
  finally for function if implements import in instanceof interface let new null package private protected public return
  static super switch this throw true try typeof var void while with yield`.split(/\s+/),
)

/** Names of types, and what stands before types, which no class can have. */
const typeWords = new Set(
  `any bigint boolean IArguments infer keyof never number object Object readonly string symbol undefined unique
  unknown`.split(/\s+/),
)

/** Whether a class of TypeScript can have the name, which is one of AssemblyScript. */
export function canNameClass(name: string): boolean {
  return !reservedWords.has(name) && !typeWords.has(name)
}
