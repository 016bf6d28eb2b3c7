import { effect, signal } from '@preact/signals'

const themes = ['system', 'light', 'dark'] as const
export type Theme = (typeof themes)[number]

const key = 'bletchley.theme'

function remembered(): Theme {
  try {
    return themes.find((theme) => theme === localStorage.getItem(key)) ?? 'system'
  } catch {
    return 'system' // The browser keeps nothing: the choice lasts as long as the page.
  }
}

export const theme = signal<Theme>(remembered())

const systemIsDark = matchMedia('(prefers-color-scheme: dark)')
/** What is shown now; canvases are drawn again when it changes. */
export const isDark = signal(false)

function settle(): void {
  isDark.value = theme.value === 'system' ? systemIsDark.matches : theme.value === 'dark'
}
systemIsDark.addEventListener('change', settle)

effect(() => {
  document.documentElement.dataset.theme = theme.value
  settle()
})

/** From system to light to dark, and around. */
export function nextTheme(): void {
  theme.value = themes[(themes.indexOf(theme.value) + 1) % themes.length]!
  try {
    localStorage.setItem(key, theme.value)
  } catch {
    // See above.
  }
}
