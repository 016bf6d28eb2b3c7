import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

/**
 * Requires that a document has a table of measured figures between its marks `<!-- figures -->` and `<!-- end -->`. Running
 * vitest with `-u` writes it there.
 */
export async function expectFigures(document: URL, rows: readonly (readonly string[])[]): Promise<void> {
  const [head = [], ...body] = rows
  const lines = [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`)
  const table = lines.join('\n').replace(/\| {2}\|/g, '| |')
  const text = readFileSync(document, 'utf8')
  const filled = text.replace(
    /(<!-- figures -->\n)[\s\S]*?(<!-- end -->)/,
    (_, begin, end) => `${begin}${table}\n${end}`,
  )
  expect(filled).toContain(table)
  await expect(filled).toMatchFileSnapshot(fileURLToPath(document))
}
