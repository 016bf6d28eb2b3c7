import { isMap, isScalar, isSeq, parseDocument } from 'yaml'
import { usageError } from './exitCodes.ts'

/** The value of a key, as text; a list for an option that may be repeated. */
export type Value = string | readonly string[]

export interface ConfigurationFile {
  path: string
  /** What holds for each command that has the option. */
  shared: ReadonlyMap<string, Value>
  /** What one command has for itself, by the command's name (`core`, `keys rotate`). */
  sections: ReadonlyMap<string, ReadonlyMap<string, Value>>
}

/** JSON is YAML. In YAML's failsafe schema every scalar is a text, so that no digit of an address or of gas is lost. */
export function parseConfiguration(text: string, path: string): ConfigurationFile {
  if (path.endsWith('.json')) assertJson(text, path)
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: true, prettyErrors: true })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem?.code === 'MULTIPLE_DOCS') throw usageError(`${path} holds more than one YAML document; one is read.`)
  if (problem !== undefined) throw usageError(`${path}: ${problem.message}`)
  const shared = new Map<string, Value>()
  const sections = new Map<string, ReadonlyMap<string, Value>>()
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === '')) {
    return { path, shared, sections }
  }
  for (const [key, node] of members(document.contents, path, 'the file')) {
    if (isMap(node)) {
      const section = members(node, path, key).map(
        ([name, each]) => [name, textOf(each, path, `${key}.${name}`)] as const,
      )
      sections.set(key, new Map(section))
    } else shared.set(key, textOf(node, path, key))
  }
  return { path, shared, sections }
}

function assertJson(text: string, path: string): void {
  try {
    JSON.parse(text)
  } catch (error) {
    throw usageError(`${path} is not JSON: ${(error as Error).message}`)
  }
}

function members(node: unknown, path: string, place: string): [string, unknown][] {
  if (!isMap(node)) throw usageError(`${path}: ${place} must hold names and values.`)
  return node.items.map(({ key, value }) => [String(isScalar(key) ? key.value : key), value])
}

function textOf(node: unknown, path: string, place: string): Value {
  if (isScalar(node)) return String(node.value ?? '')
  if (isSeq(node) && node.items.every((each) => isScalar(each))) {
    return node.items.map((each) => String((each as { value: unknown }).value))
  }
  throw usageError(`${path}: ${place} must be a value or a list of values.`)
}
