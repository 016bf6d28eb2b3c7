/** All that comes in chunks, at once. */
export async function gather<T>(chunks: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = []
  for await (const chunk of chunks) for (const item of chunk) all.push(item)
  return all
}
