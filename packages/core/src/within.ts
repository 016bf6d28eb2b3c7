/** Waits for a job, at most for so many milliseconds. The job may not fail. */
export async function within(milliseconds: number, job: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  await Promise.race([job, limit])
  clearTimeout(timer)
}
