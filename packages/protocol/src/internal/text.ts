/** Foreign text made fit for a message or a log: printable ASCII, at most `maxLength` characters. */
export function printable(text: string, maxLength: number): string {
  const shown = text.slice(0, maxLength).replace(/[^\x20-\x7e]/g, '?')
  return text.length > maxLength ? `${shown.slice(0, maxLength - 3)}...` : shown
}
