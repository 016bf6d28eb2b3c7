import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hexToBytes } from '@bletchley/bytes'
import { temporaryFolder } from '@bletchley/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { exitCodes } from './exitCodes.ts'
import { readCall, showOutput } from './task.ts'

const word = (digits: string) => digits.padStart(64, '0')

afterEach(() => {
  process.exitCode = undefined
})

describe('a call', () => {
  it('is a function with its types, and behind them, if wanted, those of what comes back', async () => {
    expect(await readCall('f()', [], {})).toEqual({ callable: 'f()', args: [], returns: undefined })
    expect(await readCall(' f(uint64,string)(bool, bytes) ', ['7', ' x'], {})).toEqual({
      callable: 'f(uint64,string)',
      args: [7n, ' x'],
      returns: ['bool', 'bytes'],
    })
    expect(await readCall('f(bool[]) (bool)', ['[true]'], {})).toEqual({
      callable: 'f(bool[])',
      args: [[true]],
      returns: ['bool'],
    })
    expect((await readCall('f()()', [], {})).returns).toEqual([])
  })

  it('has its arguments typed or in a file', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'args.json')
    await writeFile(file, '["18446744073709551615", [1]]')
    const call = 'f(uint64,uint64[])'
    expect((await readCall(call, [], { args: file })).args).toEqual([2n ** 64n - 1n, [1n]])
    const refused = (args: string[], message: string) =>
      expect(readCall(call, args, { args: file })).rejects.toMatchObject({ message, exitCode: exitCodes.usage })
    await refused(['1'], 'The arguments are typed, or in a file: not both.')
    for (const text of ['{"a": 1}', '"secret', '7', 'null']) {
      await writeFile(file, text)
      await refused([], 'The file of the arguments is no JSON list.')
    }
    await writeFile(file, '[9007199254740993, []]')
    await refused([], 'Argument 1 is no uint64: above 2^53, it stands in quotes')
  })

  it.each([
    ['f', []],
    ['f(', []],
    ['f(uint64)', []],
    ['f(uint64)', ['ten']],
    ['f()(', []],
    ['f()(nothing)', []],
    ['f()()()', []],
  ])('is refused as %s with %j', async (text, args) => {
    await expect(readCall(text, args, {})).rejects.toMatchObject({ name: 'Error', exitCode: exitCodes.usage })
  })
})

describe('what a function returned', () => {
  it('is shown as it is, one word as a number too', () => {
    expect(showOutput(new Uint8Array(), undefined)).toEqual({ raw: '0x' })
    expect(showOutput(hexToBytes(word('ff')), undefined)).toEqual({ output: ['255'], raw: `0x${word('ff')}` })
    expect(showOutput(hexToBytes(`${word('1')}00`), undefined)).toEqual({ raw: `0x${word('1')}00` })
    expect(process.exitCode).toBeUndefined()
  })

  it('is decoded if its types are known', () => {
    const raw = `${word('1')}${word('40')}${word('2')}${word('5')}${word('6')}`
    expect(showOutput(hexToBytes(raw), ['bool', 'uint64[]'])).toEqual({ output: [true, ['5', '6']], raw: `0x${raw}` })
    expect(showOutput(new Uint8Array(), [])).toEqual({ output: [], raw: '0x' })
    expect(process.exitCode).toBeUndefined()
  })

  it('is shown beside the problem if it is not of those types, and the command has failed', () => {
    const raw = word('7')
    expect(showOutput(hexToBytes(raw), ['string'])).toEqual({ problem: expect.stringMatching(/./), raw: `0x${raw}` })
    expect(process.exitCode).toBe(exitCodes.failed)
  })
})
