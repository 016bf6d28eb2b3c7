import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { ensureDebianPackages } from '@bletchley/testkit'
import type { AxeResults } from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'

/** Debian's Chromium: nothing is downloaded by a test driver. */
export async function launchBrowser(): Promise<Browser> {
  await ensureDebianPackages(['chromium', 'fonts-dejavu-core'], ['chromium', '--version'])
  // The sandbox of the browser refuses to work for root, which containers are. However long it takes to start: the limit of
  // the tests ends it.
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'], timeout: 0 })
}

export interface WatchedPage {
  readonly page: Page
  /** What no page of ours may do: errors, violations of the policy, requests to other hosts. */
  readonly faults: string[]
}

export interface Looks {
  width?: number
  theme?: 'light' | 'dark'
}

export async function openPage(
  browser: Browser,
  origin: string,
  { width = 1280, theme = 'light' }: Looks = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width, height: 860 }, colorScheme: theme })
  context.setDefaultTimeout(120_000)
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin })
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`))
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`request: ${request.url()}`)
  })
  await page.exposeFunction('reportViolation', (text: string) => faults.push(`policy: ${text}`))
  await page.addInitScript(() => {
    const { reportViolation } = globalThis as unknown as { reportViolation(text: string): void }
    addEventListener('securitypolicyviolation', (event) =>
      reportViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
    )
  })
  await page.goto(origin)
  return { page, faults }
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe finds wrong with what is shown now, one line for each element. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  await page.evaluate(axeSource)
  const { violations } = (await page.evaluate('axe.run({ resultTypes: ["violations"] })')) as AxeResults
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  )
}
