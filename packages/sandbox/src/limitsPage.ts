import { cipherCallBytes, hostCallBytes, type Limit, moduleLimits, runLimits } from './limits.ts'
import { measuredCosts } from './measuredCosts.ts'

/** The page `docs/limits.md`. */
export function renderLimits(): string {
  return `<!-- Made from packages/sandbox/src/limits.ts by \`npm run docs\`. -->
# Limits of contracts

What WebAssembly and the original core leave open is bounded here. Whoever passes a limit gets a failed task, signed,
whose text names it. Each limit is tested at its value and one past it.

## Of a module

They hold for pre-code at deployment and for exeCode at each computation, before anything is compiled; the failed task
uses no gas. \`npx bletchley inspect file.wasm\` tells whether a module passes.

${table(moduleLimits)}

## Of a run

The failed task uses the gas that the run had used; the state stays as it was.

${table(runLimits)}

Each call of a host function counts as ${hostCallBytes} bytes besides those that it handles, \`encrypt\` and \`decrypt\` as ${cipherCallBytes} more:
a run can make some half million calls. Reading a value counts its length twice, for finding it out and for writing it;
writing counts the new text and the length of the value that it replaces. With each length, every array and object in the
value counts 16 more, and every member of an object and every number that is no integer of at most 53 bits 8: they take the
longest for their text.

Only a run's own writes are held against the limit of the state. Deltas that come from other workers are applied
whatever they lead to, and a contract whose state is larger than the limit can be read, and written as long as no write
makes it larger.

## What gas does not see

Processor time of tasks at these limits, in milliseconds; honest loops take 0.1 to 0.6 for each million of gas. Some instructions
take more than their gas is worth: loops of \`memory.grow\` by nothing 3, of divisions of floats 3, of their square roots 6.
A deployment and a run that is made for it take ${measuredCosts.total} beyond what their gas pays, and are to take 2000 at
most; what the engine optimises behind a run is not in it, nor bounded by it. Measured on ${measuredCosts.machine}, with other work on it, by
\`npm run campaigns\`.

${costs(['calls of one host function, as many as a run may make', 'ms'], measuredCosts.calls)}

${costs(['JSON in pieces of 450 kB, as much as a run may', 'written', 'read', 'written and made a delta'], measuredCosts.texts)}

${costs(['pre-code at its limits', 'deployed with a gas limit of 1', 'deployed', 'made ready behind it'], measuredCosts.modules)}

## Elsewhere

Wall clock and memory of a compute thread are the last resort: the thread is ended and replaced, and the task ends in an
error that is not signed, and can be tried again (\`--run-limit\`, [operating.md](operating.md)). What a request and a reply
may hold is in [messages.md](messages.md).
`
}

function table(limits: Readonly<Record<string, Limit>>): string {
  const rows = Object.values(limits).map(
    ({ name, value, unit, reason, text }) => `| ${name} | ${grouped(value)} ${unit} | ${reason} | \`${text}\` |`,
  )
  return ['| limit | value | why | text |', '|---|---|---|---|', ...rows].join('\n')
}

function costs(columns: readonly string[], rows: Readonly<Record<string, number | readonly number[]>>): string {
  const lines = Object.entries(rows).map(([name, cost]) => `| \`${name}\` | ${[cost].flat().join(' | ')} |`)
  return [`| ${columns.join(' | ')} |`, `|${columns.map(() => '---|').join('')}`, ...lines].join('\n')
}

/** 10485760 as 10 485 760. */
function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ' ')
}
