import { Hono } from 'hono'

export interface Health {
  /** Why no more work should be sent here; empty if it may. */
  readinessReasons(): readonly string[]
  /** The numbers as they are now, in the text format of Prometheus. */
  metrics(): Promise<{ text: string; contentType: string }>
}

/** `/livez`, `/readyz` and `/metrics`. */
export function createHealthRoutes({ readinessReasons, metrics }: Health): Hono {
  const routes = new Hono()
  routes.get('/livez', (context) => context.text('ok\n'))
  routes.get('/readyz', (context) => {
    const reasons = readinessReasons()
    return context.json({ ready: reasons.length === 0, reasons }, reasons.length === 0 ? 200 : 503)
  })
  routes.get('/metrics', async (context) => {
    const { text, contentType } = await metrics()
    return context.body(text, 200, { 'content-type': contentType })
  })
  return routes
}
