import { signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { ContractRow, Message } from './api.ts'
import { printable, shortHex } from './format.ts'
import { link } from './route.ts'

/** What a screen reader is told next. */
export const announcement = signal('')

const isHex = (text: string): boolean => /^[0-9a-f]+$/.test(text)

/** Text that came from a peer, harmless: in its own direction, unprintable characters written out, cut. */
export const Peer = ({ text, most }: { text: string; most?: number }) => <bdi>{printable(text, most)}</bdi>

export function Copy({ text, what }: { text: string; what: string }) {
  const [done, setDone] = useState(false)
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setDone(true)
      announcement.value = `Copied ${what}`
      setTimeout(() => setDone(false), 1500)
    } catch {
      announcement.value = 'The browser did not let the page copy.'
    }
  }
  return (
    <button type="button" class="copy" aria-label={`Copy ${what}`} title={`Copy ${what}`} onClick={() => void copy()}>
      <svg viewBox="0 0 16 16" aria-hidden="true">
        {done ? <path d="M3 8.5l3.2 3.2L13 4.8" /> : <path d="M5.5 5.5h7v8h-7zM3.5 10.5v-8h7" />}
      </svg>
    </button>
  )
}

interface HexProps {
  hex: string
  head?: number
  tail?: number
  /** Names the copy button; without it there is none. */
  copy?: string
}

/** Bytes in hex, shortened, whole on hover. */
export const Hex = ({ hex, head, tail, copy }: HexProps) => (
  <span class="hex">
    <span class="mono" title={isHex(hex) ? hex : undefined}>
      <Peer text={shortHex(hex, head, tail)} />
    </span>
    {copy && <Copy text={hex} what={copy} />}
  </span>
)

/** A contract's address as a link to it; whatever else a peer sent in its place as text. */
export const AddressLink = ({ address, ...lengths }: { address: string; head?: number; tail?: number }) =>
  isHex(address) ? (
    <a class="mono" href={link(`contracts/${address}`)} title={address} data-row>
      {shortHex(address, lengths.head, lengths.tail)}
    </a>
  ) : (
    <Peer text={address} most={20} />
  )

export const None = () => <span class="faint">none</span>

/** Number and hash of a contract's newest delta. */
export const Tip = ({ contract: { tipKey, tipHash }, ...hex }: { contract: ContractRow } & Omit<HexProps, 'hex'>) =>
  tipKey === undefined ? (
    <None />
  ) : (
    <>
      <span class="tip">#{tipKey}</span> {tipHash !== undefined && <Hex hex={tipHash} {...hex} />}
    </>
  )

export const Facts = ({ children }: { children: ComponentChildren }) => <dl class="facts">{children}</dl>

export const Fact = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
)

export const Card = ({ title, aside, children }: CardProps) => (
  <section class="card" aria-label={title}>
    <header>
      <h2>{title}</h2>
      {aside && <div class="aside">{aside}</div>}
    </header>
    {children}
  </section>
)

interface CardProps {
  title: string
  aside?: ComponentChildren
  children: ComponentChildren
}

/** Says why there is nothing to see, and what to do about it. */
export const Empty = ({ title, children }: { title: string; children?: ComponentChildren }) => (
  <div class="empty">
    <strong>{title}</strong>
    {children && <p>{children}</p>}
  </div>
)

export const outcomes = { ok: 'ok', failed_task: 'failed task', error: 'error' } as const

export const Outcome = ({ message: { outcome, code } }: { message: Message }) => (
  <>
    <span class={`outcome ${outcome in outcomes ? outcome : ''}`}>{outcomes[outcome] ?? printable(outcome, 12)}</span>
    {code !== undefined && <span class="wide note"> {printable(code, 28)}</span>}
  </>
)

export const KeyHeld = ({ held }: { held: boolean }) => (
  <span class={held ? 'mark good' : 'mark'}>{held ? 'held' : 'not held'}</span>
)
