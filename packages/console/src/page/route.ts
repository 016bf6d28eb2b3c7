import { computed, signal } from '@preact/signals'

// Deep links are hash routes, so that the server knows one page: #/contracts/<address>, #/messages?text=ab

const hash = signal(location.hash)
addEventListener('hashchange', () => {
  hash.value = location.hash
})

export interface Route {
  /** Parts of the path: `[]`, `['contracts', '<address>']`. */
  path: readonly string[]
  query: URLSearchParams
}

export const route = computed<Route>(() => {
  const [path = '', query = ''] = hash.value.replace(/^#\/?/, '').split('?', 2)
  return { path: path.split('/').filter(Boolean), query: new URLSearchParams(query) }
})

export function link(path: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : []))
  const text = new URLSearchParams(given).toString()
  return `#/${path}${text && `?${text}`}`
}

export function go(target: string): void {
  location.hash = target
}

/** Changes the address without a step in the history: for what is typed letter by letter. */
export function replace(target: string): void {
  history.replaceState(null, '', target)
  hash.value = target
}
