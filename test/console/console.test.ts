import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@bletchley/bytes'
import { CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { keccak256, randomBytes } from '@bletchley/crypto'
import { CommandProcess, lastingPort, startCoreProcess, temporaryFolder } from '@bletchley/testkit'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WireSocket } from '../wireSocket.ts'
import { accessibilityFaults, type Looks, launchBrowser, openPage, type WatchedPage } from './browser.ts'

// The console in a real browser, served by a real network with real contracts and tasks.

const gasLimit = 10_000_000n
const shots = fileURLToPath(new URL('../../test-results/console/', import.meta.url))
const issuer = `0x${bytesToHex(randomBytes(32))}`

/** Bidi overrides, a bell, markup, and no end. */
const hostile = `\u202e\u0007<img src=x onerror=alert(1)>${'\u0301'.repeat(9)}${'x'.repeat(500)}`

let browser: Browser
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let network: Network
let client: CoreClient
/** A ledger with some tasks behind it, and a contract with many deltas from elsewhere. */
let ledger: Uint8Array
let long: Uint8Array
const longDeltas = 130

interface Network extends AsyncDisposable {
  process: CommandProcess
  endpoint: string
  console: string
}

async function startNetwork(args: string[]): Promise<Network> {
  const process = new CommandProcess(['dev', '--data', folder.path, '--threads', '2', '--log-level', 'error', ...args])
  const said = new Map<string, string>()
  while (!['ready', 'console', 'principal'].every((name) => said.has(name))) {
    const [name, value] = (await process.readLine()).split(' ')
    said.set(name!, value!)
  }
  return {
    process,
    endpoint: said.get('ready')!,
    console: new URL(said.get('console')!).origin,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  }
}

async function mint(amount: bigint): Promise<void> {
  const call = { contractAddress: ledger, gasLimit, callable: 'mint(bytes32,uint64)', args: [issuer, amount] }
  const end = await computeFunction(client, call)
  if (end.kind === 'failed') throw new Error(end.message)
}

beforeAll(async () => {
  folder = await temporaryFolder()
  ;[browser, network] = await Promise.all([
    launchBrowser(),
    startNetwork(['--bind', 'tcp://127.0.0.1:0', '--http', `127.0.0.1:${await lastingPort()}`]),
  ])
  client = new CoreClient(network.endpoint)

  const preCode = await readFile(new URL('../../contracts/ledger/build/ledger.wasm', import.meta.url))
  ledger = randomBytes(32)
  const call = { contractAddress: ledger, gasLimit, callable: 'construct(bytes32,uint64)', args: [issuer, '1000'] }
  const end = await deployContract(client, preCode, call)
  if (end.kind === 'failed') throw new Error(end.message)
  for (let amount = 1n; amount <= 6n; amount++) await mint(amount)
  // Nobody may mint in the issuer's place: a task that fails.
  await computeFunction(client, { ...call, callable: 'mint(bytes32,uint64)', args: [`0x${'ab'.repeat(32)}`, 1n] })

  long = randomBytes(32)
  await client.methods.updateNewContract({ address: long, bytecode: randomBytes(3000) })
  const deltas = Array.from({ length: longDeltas }, (_, key) => ({
    address: long,
    key,
    data: randomBytes(50 + key * 3),
  }))
  await client.methods.updateDeltas({ deltas })
  // Its code is none; but the task makes the core fetch its key, without which the core calls itself not ready.
  await computeFunction(client, { ...call, contractAddress: long }).catch(() => undefined)
}, 600_000)

afterAll(async () => {
  client.close()
  await browser.close()
  await network[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

/** A page of its own; fails if it does anything that no page may do, apart from what is expected. */
async function withPage(
  run: (page: Page, watched: WatchedPage) => Promise<void>,
  { expected = /$^/, ...looks }: Looks & { expected?: RegExp } = {},
): Promise<void> {
  const watched = await openPage(browser, network.console, looks)
  try {
    await run(watched.page, watched)
    expect(watched.faults.filter((fault) => !expected.test(fault))).toEqual([])
  } finally {
    await watched.page.context().close()
  }
}

const link = (page: Page, name: string) => page.getByRole('link', { name, exact: true }).first()
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name })
const isShown = (page: Page, name: string) =>
  heading(page, name)
    .waitFor({ state: 'attached', timeout: 5000 })
    .then(
      () => true,
      () => false,
    )
const rows = (page: Page) => page.locator('tbody tr')
const isGone = (page: Page, text: string) => page.getByText(text).waitFor({ state: 'hidden' })
const show = (page: Page, route: string) =>
  page.evaluate((to) => {
    location.hash = to
  }, route)

describe('the console', () => {
  it('shows the worker, what it holds, and its latest messages', async () => {
    const { signingKey } = await client.methods.getRegistrationParams(undefined)
    await withPage(async (page) => {
      await page.getByLabel('Readiness').getByText('Ready', { exact: true }).waitFor()
      const worker = page.getByLabel('Worker')
      await worker.getByText(bytesToHex(signingKey)).waitFor()
      await worker.getByText(network.endpoint).waitFor()
      await worker.getByText('simulation: no TEE').waitFor()
      await page.getByLabel('Holdings and work').getByRole('link', { name: '2', exact: true }).waitFor()
      await page.getByLabel('Latest messages').getByText('UpdateDeltas').waitFor()

      // It is shown for a moment only.
      const copied = page.getByText('Copied signing address').waitFor()
      await page.getByRole('button', { name: 'Copy signing address' }).click()
      await copied
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(bytesToHex(signingKey))
    })
  })

  it('lists contracts, and finds them by address', async () => {
    await withPage(async (page) => {
      await link(page, 'Contracts').click()
      await heading(page, 'Contracts').waitFor()
      await expect.poll(() => rows(page).count()).toBe(2)
      const row = rows(page).filter({ hasText: bytesToHex(long).slice(0, 10) })
      expect(await row.locator('td').allInnerTexts()).toEqual([
        expect.stringContaining(bytesToHex(long).slice(-8)),
        expect.any(String),
        '130',
        expect.stringContaining('#129'),
        expect.any(String),
        'held',
      ])

      await page.keyboard.press('/')
      await page.keyboard.type(`0x${bytesToHex(ledger).slice(0, 12)}`)
      await expect.poll(() => rows(page).count()).toBe(1)
      expect(page.url()).toContain(`#/contracts?search=${bytesToHex(ledger).slice(0, 12)}`)
      await page.keyboard.type('zz')
      await page.getByText('No contract has that in its address.').waitFor()

      await page.locator('#search').fill(bytesToHex(long))
      await page.keyboard.press('Enter')
      await page.getByText('newest first · 60 of 130').waitFor()
      await page.goBack()
      await heading(page, 'Contracts').waitFor()
    })
  })

  it("shows a contract's chain as it is stored, on a link of its own", async () => {
    await withPage(async (page) => {
      await page.goto(`${network.console}/#/contracts/${bytesToHex(long)}`)
      const blocks = page.locator('.block')
      await expect.poll(() => blocks.count()).toBe(60)
      for (const count of [120, 130]) {
        await page.getByRole('button', { name: /older$/ }).click()
        await expect.poll(() => blocks.count()).toBe(count)
      }
      await page.getByRole('button', { name: /older$/ }).waitFor({ state: 'hidden' })
      const { deltas } = await client.methods.getDeltas({ ranges: [{ address: long, from: 0, to: longDeltas }] })
      const hashes = deltas.map(({ data }) => bytesToHex(keccak256(data)).slice(0, 10)).reverse()
      expect(await page.locator('.block .mono').allInnerTexts()).toEqual(hashes)

      await blocks.nth(129).click()
      await page.getByText('begins the chain').waitFor()
      await page.getByText('No gas known.').waitFor()
    })
  })

  it('says that a contract is not there', async () => {
    await withPage(
      async (page) => {
        await show(page, `/contracts/${'00'.repeat(32)}`)
        await page.getByText('This core has no contract with that address.').waitFor()
        await show(page, '/nowhere')
        await page.getByText('This link leads nowhere.').waitFor()
      },
      { expected: /404/ },
    )
  })

  it('follows what happens', async () => {
    await withPage(async (page) => {
      const before = (await client.methods.getTip({ address: ledger })).key
      await show(page, `/contracts/${bytesToHex(ledger)}`)
      await page.getByLabel('Facts').getByText(`#${before}`, { exact: true }).waitFor()
      await page.getByText('Gas by delta').waitFor()
      await mint(100n)
      await page
        .getByLabel('Facts')
        .getByText(`#${before + 1}`, { exact: true })
        .waitFor()
      await page
        .locator('.block')
        .first()
        .getByText(`#${before + 1}`)
        .waitFor()
      await rows(page).filter({ hasText: 'ComputeTask' }).first().waitFor()

      await show(page, '/tasks')
      await page.getByLabel('Latest tasks').getByText('DeploySecretContract').waitFor()
      expect(await page.getByLabel('Threads').locator('tbody tr').count()).toBe(2)
    })
  })

  it('shows messages as they come, filters and pauses them', async () => {
    await withPage(async (page) => {
      await link(page, 'Messages').click()
      await rows(page).first().waitFor()
      await page.getByRole('combobox', { name: 'Outcome' }).selectOption('failed task')
      await expect.poll(() => rows(page).count()).toBe(1)
      expect(await rows(page).textContent()).toContain('ComputeTask')

      await page.getByRole('combobox', { name: 'Outcome' }).selectOption('all')
      await page.getByRole('combobox', { name: 'Type' }).selectOption('GetTip')
      await page.keyboard.press('Escape')
      await page.keyboard.press('p')
      await page.getByText('Paused. 0 since.').waitFor()
      const shown = await rows(page).count()
      using peer = new WireSocket(network.endpoint)
      for (let count = 0; count < 3; count++)
        await peer.askOne({ id: `paused ${count}`, type: 'GetTip', input: bytesToHex(ledger) })
      await page.getByText(/Paused\. [1-9]\d* since\./).waitFor()
      expect(await rows(page).count()).toBe(shown)
      await page.getByRole('button', { name: 'Go on' }).click()
      await page.getByText('paused 2').waitFor()

      await page.getByLabel('Id, address or type').fill('paused 1')
      await expect.poll(() => rows(page).count()).toBe(1)
      expect(page.url()).toContain('#/messages?type=GetTip&text=paused+1')
    })
  })

  it("shows a peer's words as text alone, in one direction, cut", async () => {
    await withPage(async (page) => {
      using peer = new WireSocket(network.endpoint)
      await peer.askOne({ id: hostile, type: hostile })
      await show(page, '/messages')
      await rows(page).filter({ hasText: '<img' }).first().waitFor()
      expect(await page.locator('img').count()).toBe(0)

      // The core lets no such thing through; the page does not rely on it.
      const message = { at: 0, type: hostile, id: hostile, address: hostile, code: hostile, gas: hostile }
      const numbers = { requestBytes: 1, replyBytes: 1, ms: 1 }
      const body = `event: message\ndata: ${JSON.stringify({ ...message, ...numbers, outcome: hostile })}\n\n`
      await page.route('**/api/events', (route) => route.fulfill({ contentType: 'text/event-stream', body }))
      await page.reload()
      const row = rows(page).filter({ hasText: '<img' }).first()
      await row.waitFor()
      expect(await page.locator('img').count()).toBe(0)
      const text = await row.textContent()
      expect(text).not.toMatch(/[\p{C}\p{M}]/u)
      expect(text).not.toContain('x'.repeat(40))
      expect((await row.boundingBox())!.width).toBeLessThan(1280)
    })
  })

  it('goes where the keys say', async () => {
    await withPage(async (page) => {
      await heading(page, 'Overview').waitFor({ state: 'attached' })
      for (const [key, title] of [
        ['c', 'Contracts'],
        ['m', 'Messages'],
        ['t', 'Tasks and threads'],
        ['o', 'Overview'],
        ['c', 'Contracts'],
      ] as const) {
        // The second key counts shortly after the first: a machine that was too slow for it tries again.
        do {
          await page.keyboard.press('g')
          await page.keyboard.press(key)
        } while (!(await isShown(page, title)))
        await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe('H1')
      }
      await rows(page).nth(1).waitFor()
      await page.keyboard.press('j')
      await page.keyboard.press('ArrowDown')
      const second = await rows(page).nth(1).getByRole('link').getAttribute('href')
      expect(await page.evaluate(() => document.activeElement?.getAttribute('href'))).toBe(second)
      await page.keyboard.press('Enter')
      await page.getByLabel('Facts').waitFor()

      await page.keyboard.press('?')
      await page.getByRole('dialog').getByText('search by address').waitFor()
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'hidden' })
      await page.reload()
      await page.getByLabel('Facts').waitFor()
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('MAIN')
    })
  })

  it('is light or dark as the system is, or as was chosen and remembered', async () => {
    const background = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    await withPage(
      async (page) => {
        const dark = await background(page)
        await page.getByRole('button', { name: 'Theme: system' }).click()
        await page.getByRole('button', { name: 'Theme: light' }).waitFor()
        const light = await background(page)
        expect(light).not.toBe(dark)
        await page.reload()
        await page.getByRole('button', { name: 'Theme: light' }).click()
        expect(await background(page)).toBe(dark)
        await page.emulateMedia({ colorScheme: 'light' })
        expect(await background(page)).toBe(dark)
      },
      { theme: 'dark' },
    )
  })

  it('does nothing while it cannot be seen', async () => {
    await withPage(async (page) => {
      await page.getByLabel('Readiness').waitFor()
      const setHidden = (hidden: boolean) =>
        page.evaluate((value) => {
          Object.defineProperty(document, 'hidden', { configurable: true, value })
          document.dispatchEvent(new Event('visibilitychange'))
        }, hidden)
      const isFeed = (request: { url(): string }) => request.url().endsWith('/api/events')
      let opened = 0
      page.on('request', (request) => {
        if (isFeed(request)) opened++
      })
      const [closed] = await Promise.all([page.waitForEvent('requestfailed', isFeed), setHidden(true)])
      expect(closed.failure()?.errorText).toContain('ABORTED')
      // Requests come one after the other: one that was made before this one would have been seen.
      await page.evaluate(() => fetch('livez'))
      expect(opened).toBe(0)
      await Promise.all([page.waitForRequest(isFeed), setHidden(false)])
    })
  })

  const views = () => ({
    overview: '/',
    contracts: '/contracts',
    contract: `/contracts/${bytesToHex(ledger)}`,
    messages: '/messages',
    tasks: '/tasks',
  })

  for (const theme of ['light', 'dark'] as const) {
    for (const width of [1280, 360]) {
      it(`is accessible and fits, ${theme}, ${width} pixels wide`, async () => {
        await withPage(
          async (page) => {
            for (const [name, route] of Object.entries(views())) {
              await show(page, route)
              await page.locator('main .card').first().waitFor()
              await page.locator('.state.good').waitFor()
              expect(await accessibilityFaults(page), name).toEqual([])
              const excess = await page.evaluate(
                () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
              )
              expect(excess, `${name} scrolls sideways`).toBeLessThanOrEqual(0)
              await page.screenshot({ path: `${shots}${name}-${theme}-${width}.png` })
            }
            await page.keyboard.press('?')
            expect(await accessibilityFaults(page), 'help').toEqual([])
          },
          { theme, width },
        )
      })
    }
  }

  it('bears many messages, and keeps the newest thousand', async () => {
    await withPage(async (page) => {
      await show(page, '/messages')
      await rows(page).first().waitFor()
      const ask = () => client.methods.getTip({ address: long })
      // The core tells at most 200 at once, and skips what comes faster.
      const full = page.getByText('The newest 100 of 1,000.')
      while (!(await full.isVisible())) await Promise.all(Array.from({ length: 100 }, ask))
      expect(await rows(page).count()).toBe(100)
    })
  })

  it('says when the core serves as many pages as it will', async () => {
    const abort = new AbortController()
    const { signal } = abort
    // Held until the end: fetch closes the connection of a response that the collector takes.
    const feeds: Response[] = []
    // The core may not have noticed yet that the page of the test before has gone.
    while (feeds.length < 16) {
      const feed = await fetch(`${network.console}/api/events`, { signal })
      if (feed.status === 200) feeds.push(feed)
    }
    await withPage((page) => page.getByText('It serves as many pages as it will').waitFor(), { expected: /503/ })
    expect(feeds).toHaveLength(16)
    abort.abort()
    // The next page finds room: the core has noticed that these have gone.
    const noticed = new AbortController()
    while ((await fetch(`${network.console}/api/events`, { signal: noticed.signal })).status === 503);
    noticed.abort()
  })

  // The last, since it takes the network away.
  it('says when the core does not answer, and takes up again by itself', async () => {
    await withPage(
      async (page) => {
        await page.locator('.state.good').waitFor()
        await network.process.kill('SIGKILL')
        await page.getByText('The core does not answer.', { exact: true }).first().waitFor()
        await page.getByText('What you see is from').waitFor()
        expect(await accessibilityFaults(page)).toEqual([])
        await page.screenshot({ path: `${shots}lost-light-1280.png` })

        // It comes back at the same door, and where it cannot get the keys of its contracts.
        await using core = await startCoreProcess({
          dataFolder: join(folder.path, 'core'),
          args: [
            '--http',
            new URL(network.console).host,
            '--principal-url',
            'http://127.0.0.1:9',
            '--log-level',
            'silent',
          ],
        })
        await isGone(page, 'What you see is from')
        await page.getByLabel('Readiness').getByText('Not ready', { exact: true }).waitFor()
        await page.getByText('state keys are missing for 2 of 2 contracts').waitFor()
        await page.getByLabel('Worker').getByText(core.endpoint).waitFor()
        await page.getByText('not pinned: keys are taken from anybody').waitFor()
        await page.getByText('No message yet.').waitFor()
        expect(await accessibilityFaults(page)).toEqual([])
        await page.screenshot({ path: `${shots}notReady-light-1280.png` })
      },
      { expected: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ },
    )
  })
})
