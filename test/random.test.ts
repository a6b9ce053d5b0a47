// Random numbers where the case harness does not reach: float64, and what is drawn in JavaScript.
import { expect, test } from 'vitest'
import { Generator, uniform } from '../lib/index.js'

const drawn = (n: number, low: number, high: number): Float64Array =>
  uniform([n], low, high, { dtype: 'float64', device: 'js', generator: new Generator(3) }).dataSync()

test('float64 stays below the upper bound, one step away', () => {
  expect(new Set(drawn(20000, 1, 1 + 2 ** -52))).toEqual(new Set([1]))
  expect(Math.max(...drawn(20000, -(2 ** -1074), 0))).toBeLessThan(0)
})

test('float64 bounds may be further apart than float64 reaches', () => {
  const values = drawn(2000, -1.7e308, 1.7e308)
  expect(values.every(Number.isFinite)).toBe(true)
  expect(values.filter(v => v < 0).length / 2000).toBeCloseTo(0.5, 1)
})

test('every order of four is as likely as the others', () => {
  const generator = new Generator(1)
  const counts = new Map<string, number>()
  for (let i = 0; i < 24000; i++) {
    const order = generator.permutation(4).join()
    counts.set(order, (counts.get(order) ?? 0) + 1)
  }
  const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)
  expect([counts.size, chiSquare < 50]).toEqual([24, true]) // of 23 degrees of freedom: 50 is exceeded once in a thousand
})
