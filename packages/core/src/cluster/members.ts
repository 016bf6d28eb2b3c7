import { bytesToHex } from '@bletchley/bytes'
import { randomBytes } from '@bletchley/crypto'
import type { CoreRow, Cores } from '@bletchley/store/postgres'
import type { Logger } from 'pino'
import { within } from '../within.ts'
import { homeAmong } from './homes.ts'

/** A core of the cluster, as this one sees it. */
export interface Member {
  /** 16 bytes, of one run of a core: whoever starts again is another. */
  readonly id: Uint8Array
  /** Where it listens for other cores. */
  readonly endpoint: string
  readonly isAlive: boolean
  /** Whether it wants no tasks of others any more. */
  readonly isDraining: boolean
}

export interface MembersOptions {
  /** The table; it is closed with the members. */
  readonly cores: Pick<Cores, 'beat' | 'leave' | 'remove' | 'close'>
  /** Where this core listens for others, as they reach it. */
  readonly endpoint: string
  readonly logger: Logger
  /** Is told of all members whenever they were looked at. It may not throw. */
  onLook?(members: readonly Member[]): void
  /** Between the end of a beat and the next one. */
  readonly beatMs?: number
  /** A core whose counter has stood still for so long is dead. */
  readonly deadMs?: number
  /** The row of one whose counter has stood still for so long is removed. */
  readonly forgottenMs?: number
}

/** How long a core that ends tries to say so. */
const farewellMs = 2000

/** Another core, and since when its counter is what it is, by this core's clock. */
interface Seen {
  row: CoreRow
  since: number
  isAlive: boolean
}

/**
 * The cores of a cluster: each raises its counter in the database once a second, and looks at those of the others. Alive is whose
 * counter has changed in the last five seconds of this core's own clock, which no other clock is compared with. A row that is
 * new to this core counts from when it was seen: one that a dead core has left is believed for five seconds, too.
 *
 * While the database cannot be asked, the members stay what they were: nobody's beats are seen, so nobody is judged by
 * them. What is handed on to one that died meanwhile comes back by the link.
 */
export class Members {
  readonly #id = randomBytes(16)
  readonly #cores: MembersOptions['cores']
  readonly #endpoint: string
  readonly #logger: Logger
  readonly #onLook: (members: readonly Member[]) => void
  readonly #beatMs: number
  readonly #deadMs: number
  readonly #forgottenMs: number
  #seen = new Map<string, Seen>()
  /** Those that take tasks of others; this core among them, unless it is draining. */
  #candidates: readonly Member[] = []
  #lookedAt = performance.now()
  #isDraining = false
  #isClosed = false
  #isFailing = false
  #beating: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #lastBeatMs: number | undefined
  #failures = 0

  private constructor(options: MembersOptions) {
    const { beatMs = 1000, deadMs = 5000, forgottenMs = 24 * 60 * 60 * 1000 } = options
    this.#cores = options.cores
    this.#endpoint = options.endpoint
    this.#logger = options.logger
    this.#onLook = (members) => options.onLook?.(members)
    this.#beatMs = beatMs
    this.#deadMs = deadMs
    this.#forgottenMs = forgottenMs
    this.#choose()
  }

  /** Makes this core a member, and knows the others once the database could be asked. */
  static async join(options: MembersOptions): Promise<Members> {
    const members = new Members(options)
    await members.#beatNext()
    return members
  }

  /** All that have a row, this core first. */
  get members(): readonly Member[] {
    return [this.#me, ...Array.from(this.#seen.values(), memberOf)]
  }

  /** What the last beat took that was not in vain, in milliseconds. */
  get lastBeatMs(): number | undefined {
    return this.#lastBeatMs
  }

  /** Beats that were in vain, since the start. */
  get failures(): number {
    return this.#failures
  }

  /**
   * Where tasks of a contract are to be handed on.
   *
   * @param address 32 bytes
   * @returns the endpoint of its home; undefined if that is this core, or there is none
   */
  homeOf(address: Uint8Array): string | undefined {
    const home = homeAmong(address, this.#candidates)
    return home === undefined || home.id === this.#id ? undefined : home.endpoint
  }

  /** From now on this core is nobody's home. The others know it when they have looked again, if the database took it within two seconds. */
  async drain(): Promise<void> {
    this.#isDraining = true
    this.#choose()
    await within(farewellMs, this.#beatNext())
  }

  /** Leaves the cluster, if the database can be asked within two seconds; otherwise the others notice. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#timer)
    await within(farewellMs, this.#leave())
  }

  async #leave(): Promise<void> {
    // A beat behind it would bring the row back.
    await this.#beating
    await this.#cores
      .leave(this.#id)
      .catch((err: unknown) => this.#logger.warn({ err }, 'the other cores were not told'))
    await this.#cores.close()
  }

  get #me(): Member {
    return { id: this.#id, endpoint: this.#endpoint, isAlive: true, isDraining: this.#isDraining }
  }

  /** Beats when the beat that may be under way has ended. */
  #beatNext(): Promise<void> {
    this.#beating = this.#beating.then(() => this.#beat())
    return this.#beating
  }

  /** Never fails. */
  async #beat(): Promise<void> {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    const start = performance.now()
    try {
      const rows = await this.#cores.beat({ id: this.#id, endpoint: this.#endpoint, draining: this.#isDraining })
      this.#lastBeatMs = performance.now() - start
      this.#look(rows)
      await this.#removeForgotten()
      if (this.#isFailing) this.#logger.info('the other cores are seen again')
      this.#isFailing = false
    } catch (err) {
      this.#failures++
      if (!this.#isFailing) this.#logger.warn({ err }, 'the database cannot be asked for the other cores')
      this.#isFailing = true
    }
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#beatNext(), this.#beatMs)
  }

  #look(rows: readonly CoreRow[]): void {
    const now = performance.now()
    // Whoever could not look for so long has missed the others' beats, or the database theirs: they get the time anew.
    const wasAway = now - this.#lookedAt >= this.#deadMs
    this.#lookedAt = now
    const me = bytesToHex(this.#id)
    const seen = new Map<string, Seen>()
    for (const row of rows) {
      const name = bytesToHex(row.id)
      if (name === me) continue
      const before = this.#seen.get(name)
      const stands = before?.row.beat === row.beat && !(wasAway && before.isAlive)
      const since = stands ? before.since : now
      // Nobody else can listen where this core does: that one was here before it.
      const isAlive = now - since < this.#deadMs && row.endpoint !== this.#endpoint
      seen.set(name, { row, since, isAlive })
    }
    this.#seen = seen
    this.#choose()
    this.#onLook(this.members)
  }

  #choose(): void {
    this.#candidates = this.members.filter(({ isAlive, isDraining }) => isAlive && !isDraining)
  }

  async #removeForgotten(): Promise<void> {
    for (const { row, since } of this.#seen.values()) {
      if (this.#lookedAt - since >= this.#forgottenMs) await this.#cores.remove(row)
    }
  }
}

function memberOf({ row, isAlive }: Seen): Member {
  return { id: row.id, endpoint: row.endpoint, isAlive, isDraining: row.draining }
}
