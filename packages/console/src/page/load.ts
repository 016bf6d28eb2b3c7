import { useEffect, useState } from 'preact/hooks'

export interface Loaded<T> {
  data?: T
  error?: Error
}

/**
 * Loads, and loads again when one of `inputs` changes. What was loaded stays while the next is on its way, unless
 * `subject` changed: then it was about something else.
 */
export function useLoad<T>(
  load: (signal: AbortSignal) => Promise<T>,
  subject: string,
  inputs: readonly unknown[] = [],
): Loaded<T> {
  const [state, setState] = useState<Loaded<T> & { subject: string }>({ subject })
  // `load` is made anew by each rendering: what it loads is named by `subject` and `inputs`.
  useEffect(() => {
    const abort = new AbortController()
    load(abort.signal).then(
      (data) => !abort.signal.aborted && setState({ subject, data }),
      (error: Error) =>
        !abort.signal.aborted && setState((old) => ({ ...(old.subject === subject ? old : {}), subject, error })),
    )
    return () => abort.abort()
  }, [subject, ...inputs])
  return state.subject === subject ? state : {}
}
