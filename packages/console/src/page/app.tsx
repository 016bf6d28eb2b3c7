import { computed, effect } from '@preact/signals'
import { render } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { formatClock } from './format.ts'
import { helpIsOpen, keys, startKeyboard } from './keyboard.ts'
import { connection, startLive, status } from './live.ts'
import { announcement, Empty } from './parts.tsx'
import { go, link, replace, route } from './route.ts'
import { nextTheme, theme } from './theme.ts'
import { ContractView } from './views/contract.tsx'
import { Contracts } from './views/contracts.tsx'
import { Messages } from './views/messages.tsx'
import { Overview } from './views/overview.tsx'
import { Tasks } from './views/tasks.tsx'

const views = [
  { path: '', title: 'Overview' },
  { path: 'contracts', title: 'Contracts' },
  { path: 'messages', title: 'Messages' },
  { path: 'tasks', title: 'Tasks' },
] as const

const unanswered = 'The core does not answer.'

/** How things stand, in words that change only when that does. */
const condition = computed(() => {
  if (connection.value === 'lost' || connection.value === 'refused') return unanswered
  if (!status.value) return ''
  return status.value.ready ? 'Connected, the core is ready.' : 'The core is not ready.'
})

function View() {
  const [view = '', address, ...rest] = route.value.path
  if (rest.length === 0) {
    if (view === 'contracts' && address !== undefined) return <ContractView key={address} address={address} />
    if (address === undefined) {
      if (view === '') return <Overview />
      if (view === 'contracts') return <Contracts />
      if (view === 'messages') return <Messages />
      if (view === 'tasks') return <Tasks />
    }
  }
  return (
    <>
      <h1 tabIndex={-1}>No such view</h1>
      <Empty title="This link leads nowhere.">
        <a href={link('')}>To the overview</a>
      </Empty>
    </>
  )
}

function App() {
  const [view = '', address] = route.value.path
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  // Another view begins at its heading, for eyes and screen readers alike.
  useEffect(() => {
    if (!first.current) {
      scrollTo(0, 0)
      main.current?.querySelector('h1')?.focus({ preventScroll: true })
    }
    first.current = false
    const title = views.find(({ path }) => path === view)?.title ?? 'Console'
    document.title = `${address ? `${address.slice(0, 8)} · ` : ''}${title} · Bletchley`
  }, [view, address])
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <a class="brand" href={link('')} aria-label="Bletchley, overview">
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <circle cx="16" cy="16" r="13" />
            <circle cx="16" cy="16" r="6.5" />
            <path d="M16 3v6.5M27.3 22.5l-5.6-3.2M4.7 22.5l5.6-3.2" />
            <circle cx="16" cy="16" r="1" />
          </svg>
          <span>Bletchley</span>
        </a>
        <nav aria-label="Views">
          {views.map(({ path, title }) => (
            <a key={path} href={link(path)} aria-current={path === view ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <Search />
        <State />
        <button type="button" class="tool" onClick={nextTheme} title="Theme: system, light or dark">
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <circle cx="8" cy="8" r="6" />
            <path d="M8 2a6 6 0 0 1 0 12z" />
          </svg>
          <span class="hidden">Theme: </span>
          {theme}
        </button>
        <button type="button" class="tool" onClick={() => (helpIsOpen.value = true)} title="Keys (?)">
          <span aria-hidden="true">?</span>
          <span class="hidden">Keys</span>
        </button>
      </header>
      {condition.value === unanswered && <Lost />}
      <main ref={main} tabIndex={-1}>
        <View />
      </main>
      <Help />
      <div class="hidden" role="status" aria-live="polite">
        {announcement}
      </div>
    </>
  )
}

function Search() {
  const { path, query } = route.value
  const isList = path[0] === 'contracts' && path.length === 1
  return (
    <search>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          const text = wantedHex(event.currentTarget.querySelector('input')!.value)
          go(text.length === 64 ? link(`contracts/${text}`) : link('contracts', { search: text }))
        }}
      >
        <input
          id="search"
          type="search"
          aria-label="Search contracts by address"
          placeholder="Find an address  ( / )"
          autocomplete="off"
          spellcheck={false}
          maxLength={66}
          value={isList ? (query.get('search') ?? '') : undefined}
          onInput={(event) => {
            if (isList) replace(link('contracts', { search: wantedHex(event.currentTarget.value) }))
          }}
        />
      </form>
    </search>
  )
}

/** Addresses are hex, with or without 0x; anything else cannot be part of one, and finds nothing. */
const wantedHex = (text: string): string => text.trim().toLowerCase().replace(/^0x/, '')

function State() {
  const ready = status.value?.ready
  if (condition.value === unanswered) return <span class="state bad">no connection</span>
  if (ready === undefined) return <span class="state">connecting</span>
  return <span class={ready ? 'state good' : 'state bad'}>{ready ? 'ready' : 'not ready'}</span>
}

const Lost = () => (
  <aside class="lost" aria-label="Connection">
    <strong>{unanswered}</strong> {connection.value === 'refused' && 'It serves as many pages as it will: close some. '}
    {status.value ? `What you see is from ${formatClock(status.value.now, false)}. ` : 'Is it running? '}
    The page keeps trying.
  </aside>
)

function Help() {
  const dialog = useRef<HTMLDialogElement>(null)
  const open = helpIsOpen.value
  useEffect(() => {
    if (open) dialog.current?.showModal()
    else dialog.current?.close()
  }, [open])
  return (
    <dialog ref={dialog} aria-label="Keys" onClose={() => (helpIsOpen.value = false)}>
      <h2>Keys</h2>
      <dl>
        {keys.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              {key.split(/ +/).map((each) => (
                <kbd key={each}>{each}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <p>
        The console only looks. It shows addresses, hashes, sizes and times; never a key, an input, an output or a
        state.
      </p>
      <button type="button" class="action" onClick={() => (helpIsOpen.value = false)}>
        Close
      </button>
    </dialog>
  )
}

effect(() => {
  announcement.value = condition.value
})
startKeyboard()
startLive()
render(<App />, document.body)
