import { ModuleError } from '../errors.ts'
import { ByteReader } from './byteReader.ts'
import { SectionId } from './module.ts'

/** Of the subsections of the custom section `name`, the one with the names of functions. */
const functionSubsection = 1

/**
 * The names that a compiler left in the custom section `name`, by function index. It is for people only, so a section
 * that is not well-formed gives the names that stand before the flaw.
 *
 * @param bytes of a module that decodes
 */
export function functionNames(bytes: Uint8Array): Map<number, string> {
  const names = new Map<number, string>()
  try {
    const reader = new ByteReader(bytes, 8)
    while (!reader.atEnd) {
      const id = reader.byte()
      const section = reader.slice(reader.u32())
      if (id === SectionId.custom && section.name() === 'name') readNames(section, names)
    }
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error
  }
  return names
}

function readNames(section: ByteReader, names: Map<number, string>): void {
  while (!section.atEnd) {
    const id = section.byte()
    const subsection = section.slice(section.u32())
    if (id !== functionSubsection) continue
    for (let left = subsection.u32(); left > 0; left--) names.set(subsection.u32(), subsection.name())
  }
}
