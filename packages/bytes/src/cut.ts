/** V8 copies shorter parts of a text; a longer one is a view that keeps the whole text in memory. */
export const shortestView = 13

/** `text.slice(start, end)` for a part that may outlive the text: it has memory of its own. */
export function cut(text: string, start: number, end = text.length): string {
  if (end - start < shortestView) return text.slice(start, end)
  // Joining writes characters side by side, where `+` would only note what belongs together.
  return [text.slice(start, start + 1), text.slice(start + 1, end)].join('')
}
