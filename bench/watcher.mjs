// Somebody who looks on at a core, in a process of its own as he would be: scrapes its metrics once a second, and listens
// to its live feed. Arguments: the URL of the HTTP door. Says `ready` once both have answered.
import { get } from 'node:http'
import { setTimeout } from 'node:timers/promises'

const [, , url] = process.argv

async function scrape() {
  const response = await fetch(`${url}/metrics`)
  if (!response.ok) throw new Error(`/metrics answered ${response.status}`)
  await response.text()
}

await scrape()
await new Promise((resolve, reject) => {
  get(`${url}/api/events`, (feed) => {
    feed.once('data', resolve)
    feed.resume()
  }).once('error', reject)
})
process.send('ready')
process.once('disconnect', () => process.exit())
for (;;) {
  await setTimeout(1000)
  await scrape()
}
