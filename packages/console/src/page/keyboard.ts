import { signal } from '@preact/signals'
import { go, link } from './route.ts'

/** What the keys do, as the help shows it. */
export const keys: readonly (readonly [string, string])[] = [
  ['/', 'search by address'],
  ['g o', 'overview'],
  ['g c', 'contracts'],
  ['g m', 'messages'],
  ['g t', 'tasks and threads'],
  ['j  k', 'next and previous row'],
  ['p', 'pause the messages, or go on'],
  ['?', 'this help'],
  ['Esc', 'leave a field, close the help'],
]

export const helpIsOpen = signal(false)
export const isPaused = signal(false)

const views: Readonly<Record<string, string>> = { o: '', c: 'contracts', m: 'messages', t: 'tasks' }

/** The second key of a sequence is waited for this long. */
const sequenceMs = 1500

let sequenceUntil = 0

/** Moves to the row before or after the one that has the focus; arrows only within rows, since they scroll elsewhere. */
function moveInRows(key: string): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')]
  const at = rows.indexOf(document.activeElement as HTMLElement)
  if (at === -1 && key.startsWith('Arrow')) return false
  const step = key === 'j' || key === 'ArrowDown' ? 1 : -1
  const next = rows[at === -1 ? 0 : at + step]
  next?.focus()
  return next !== undefined
}

function act(event: KeyboardEvent): boolean {
  const { key } = event
  const view = views[key]
  if (performance.now() < sequenceUntil && view !== undefined) {
    sequenceUntil = 0
    go(link(view))
    return true
  }
  switch (key) {
    case 'g':
      sequenceUntil = performance.now() + sequenceMs
      return true
    case '/':
      document.getElementById('search')?.focus()
      return true
    case '?':
      helpIsOpen.value = true
      return true
    case 'p':
      isPaused.value = !isPaused.value
      return true
    case 'j':
    case 'k':
    case 'ArrowDown':
    case 'ArrowUp':
      return moveInRows(key)
    default:
      return false
  }
}

export function startKeyboard(): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || helpIsOpen.value) return
    const { target } = event
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) {
      if (event.key === 'Escape') target.blur()
    } else if (act(event)) event.preventDefault()
  })
}
