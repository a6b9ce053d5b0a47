/** Tensors as text: the layout and the numbers of NumPy's array2string. */
import type { DType } from './dtype.js'
import { format, sizeOf } from './shape.js'
import type { Tensor } from './tensor.js'

/** Above so many elements, only the ends of long axes are shown. */
const threshold = 1000
/** How many at each end. */
const edge = 3
/** Digits after the point, at most. */
const precision = 4
const lineWidth = 75
/** Nested in other objects, so many elements are shown, on one line. */
const nestedCount = 6

/** Shape, dtype, device and state, on one line. */
export function headline(t: Tensor, ...states: string[]): string {
  const state = t.isDisposed ? ['disposed'] : t.requiresGrad ? ['requiresGrad', ...states] : states
  return `Tensor(${[`${format(t.dims)} ${t.dtype}`, t.device, ...state].join(', ')})`
}

/** The headline, and below it the values, unless work is under way: printing neither waits for it nor starts it. */
export function printed(t: Tensor, nested: boolean): string {
  if (t.isDisposed) return headline(t)
  const cut = t.dims.map(n => t.size > threshold && n > 2 * edge)
  const shown = t.dims.map((n, d) => (cut[d] ? 2 * edge : n))
  if (t.size === 0) return `${headline(t)} []`
  if (sizeOf(shown) > (nested ? nestedCount : 10 * threshold) || (nested && t.rank > 1)) return headline(t)
  const values = t.storage.stream.peek(t.storage, runsOf(t, shown, cut))
  if (typeof values === 'string') return headline(t, values)
  if (t.rank === 0) return `${headline(t)} ${scalar(values[0], t.dtype)}`
  return `${headline(t)}${nested ? ' ' : '\n'}${layout(cellsOf(values, t.dtype), shown, cut)}`
}

/** Where the shown elements are in the storage, in row-major order: runs of neighbours. */
function runsOf(t: Tensor, shown: readonly number[], cut: readonly boolean[]): [from: number, count: number][] {
  const runs: [number, number][] = []
  const add = (from: number, d: number): void => {
    for (let i = 0; d < t.rank && i < shown[d]; i++)
      add(from + t.steps[d] * (cut[d] && i >= edge ? t.dims[d] - 2 * edge + i : i), d + 1)
    if (d < t.rank) return
    const last = runs[runs.length - 1]
    if (last && last[0] + last[1] === from) last[1]++
    else runs.push([from, 1])
  }
  add(t.offset, 0)
  return runs
}

// ---- numbers ---------------------------------------------------------------------------------------------------------

/** A number alone, in full. */
function scalar(v: number, dtype: DType): string {
  if (dtype === 'bool') return String(v !== 0)
  return Number.isFinite(v) ? sign(v) + Math.abs(dtype === 'float32' ? shortest(v) : v) : named(v)
}

/** Values as texts of equal length. */
function cellsOf(values: ArrayLike<number>, dtype: DType): string[] {
  const list = Array.from(values)
  if (dtype === 'bool') return padded(list.map(v => (v ? 'true' : 'false')))
  if (dtype === 'int32') return padded(list.map(String))
  return floats(list, dtype as 'float32')
}

const padded = (cells: string[]): string[] => {
  const width = Math.max(0, ...cells.map(c => c.length))
  return cells.map(c => c.padStart(width))
}

/** The number of fewest digits that is this float32. */
function shortest(v: number): number {
  if (v === 0) return v // −0 too
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(v.toPrecision(digits))
    if (Math.fround(short) === v) return short
  }
  return v
}

/** Large and small numbers, and those of very different sizes, are written with exponents. */
function floats(values: readonly number[], dtype: 'float32' | 'float64'): string[] {
  const sizes = values.filter(v => v !== 0 && Number.isFinite(v)).map(Math.abs)
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)]
  const exponents =
    sizes.length > 0 && (most >= (dtype === 'float32' ? 1e6 : 1e8) || least < 1e-4 || most / least > 1000)
  const form = exponents ? scientific : positional
  const texts = values.map(v => {
    if (!Number.isFinite(v)) return named(v)
    const text = form(dtype === 'float32' ? shortest(v) : v)
    return Math.fround(Number(text)) === v ? text : form(v) // rounded once, not twice
  })
  if (exponents) return padded(withEqualDigits(texts))
  const right = Math.max(0, ...texts.map(t => (t.includes('.') ? t.length - t.indexOf('.') : 0)))
  return padded(texts.map(t => (t.includes('.') ? t.padEnd(t.indexOf('.') + right) : t)))
}

const named = (v: number): string => (v > 0 ? 'inf' : v < 0 ? '-inf' : 'nan')
const sign = (v: number): string => (v < 0 || Object.is(v, -0) ? '-' : '')
/** Without zeros at the end, but with the point. */
const trimmed = (digits: string): string => digits.replace(/0+$/, '')

function positional(v: number): string {
  return sign(v) + trimmed(Math.abs(v).toFixed(precision))
}

function scientific(v: number): string {
  const [digits, exponent] = Math.abs(v).toExponential(precision).split('e')
  return `${sign(v)}${trimmed(digits)}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`
}

/** As many digits after the point as the longest has. */
function withEqualDigits(texts: readonly string[]): string[] {
  const digits = (t: string): number => (t.includes('.') ? t.indexOf('e') - t.indexOf('.') : 0)
  const most = Math.max(...texts.map(digits))
  return texts.map(t => (t.includes('.') ? t.replace('e', `${'0'.repeat(most - digits(t))}e`) : t))
}

// ---- layout ----------------------------------------------------------------------------------------------------------

/** Cells in nested brackets; an ellipsis stands for what is cut out of an axis. */
function layout(cells: readonly string[], dims: readonly number[], cut: readonly boolean[]): string {
  let at = 0
  const level = (d: number): string => {
    if (d === dims.length) return cells[at++]
    const items = Array.from({ length: dims[d] }, () => level(d + 1))
    if (cut[d]) items.splice(edge, 0, '...')
    const indent = ' '.repeat(d + 1)
    if (d < dims.length - 1) return `[${items.join(`,${'\n'.repeat(dims.length - 1 - d)}${indent}`)}]`
    return `[${wrapped(items, indent, lineWidth - (dims.length - d))}]`
  }
  return level(0)
}

/** Items on lines that are not too long. */
function wrapped(items: readonly string[], indent: string, width: number): string {
  const lines: string[] = []
  let line = ''
  for (const item of items) {
    if (line && indent.length + line.length + item.length > width) {
      lines.push(line.trimEnd())
      line = ''
    }
    line += `${item}, `
  }
  return [...lines, line.slice(0, -2)].join(`\n${indent}`)
}
