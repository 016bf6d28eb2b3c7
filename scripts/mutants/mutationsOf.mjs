import { parseSync } from 'oxc-parser'

const swaps = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '&': '|',
  '|': '&',
  '^': '|',
  '<<': '>>>',
  '>>': '<<',
  '>>>': '<<',
  '&&': '||',
  '||': '&&',
}

/** What is only said, to a log or a person: another word there changes nothing that a test should hold fast. */
const saying = /\b(?:logger|log|console)\??\.|\bstd(?:out|err)\.write\b/

/** From here on a number is mostly a bound, whose loss is the fault; one more would show only at its very edge. */
const bound = 256

/**
 * Small changes of a program's behaviour, each by itself.
 *
 * @param {string} path for messages, and the language by its ending
 * @param {string} source TypeScript
 * @returns {{ start: number, end: number, text: string, what: string }[]} what to put in the place of `source.slice(start, end)`
 */
export function mutationsOf(path, source) {
  const { program, errors } = parseSync(path, source)
  if (errors.length > 0) throw new Error(`${path}: ${errors[0].message}`)
  const found = []
  const of = ({ start, end }) => source.slice(start, end)
  const add = (node, text, what) => found.push({ start: node.start, end: node.end, text, what })

  const visitors = {
    BinaryExpression(node) {
      const other = swaps[node.operator]
      if (other === undefined || /^['"`]/.test(of(node.left)) || /^['"`]/.test(of(node.right))) return
      add(node, `(${of(node.left)} ${other} ${of(node.right)})`, `${node.operator} -> ${other}`)
    },
    LogicalExpression(node) {
      if (node.operator === '??') add(node, `(${of(node.left)})`, 'no default')
      else
        add(
          node,
          `(${of(node.left)} ${swaps[node.operator]} ${of(node.right)})`,
          `${node.operator} -> ${swaps[node.operator]}`,
        )
    },
    IfStatement(node) {
      for (const value of ['true', 'false']) add(node.test, value, `if (${value})`)
    },
    ConditionalExpression(node) {
      add(node, `(${of(node.consequent)})`, 'always the first of ?:')
      add(node, `(${of(node.alternate)})`, 'always the second of ?:')
    },
    UnaryExpression(node) {
      if (node.operator === '!') add(node, of(node.argument), 'no !')
    },
    Literal(node) {
      if (node.value === true || node.value === false) add(node, String(!node.value), `${node.value} -> ${!node.value}`)
      else if (typeof node.value === 'number' || typeof node.value === 'bigint') {
        const change = (node.value < bound ? '+ 1' : '* 1000') + (typeof node.value === 'bigint' ? 'n' : '')
        add(node, `(${node.raw} ${change})`, `${node.raw} -> ${change}`)
      }
    },
    ExpressionStatement(node) {
      if (typeof node.directive !== 'string' && !saying.test(of(node))) add(node, ';', 'the statement is gone')
    },
  }

  const visit = (node) => {
    if (Array.isArray(node)) node.forEach(visit)
    if (node === null || typeof node !== 'object' || typeof node.type !== 'string') return
    if (/^(?:Import|TS(?!AsExpression|NonNullExpression|SatisfiesExpression))/.test(node.type)) return
    if (node.type === 'CallExpression' && saying.test(of(node.callee))) return
    visitors[node.type]?.(node)
    for (const [name, child] of Object.entries(node)) if (name !== 'typeAnnotation') visit(child)
  }
  visit(program.body)
  return found
}
