/** The results of `gradus bench` as lines of at most 100 columns. */
import type { Series } from './measure.js'
import type { Machine, Result } from './run.js'

/** Three significant digits, without an exponent. */
function digits(value: number): string {
  if (value >= 100) return value.toFixed(0)
  return value.toFixed(value >= 10 ? 1 : 2)
}

const times = [
  ['ns', 1],
  ['µs', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
] as const
export function duration(nanoseconds: number): string {
  const [unit, size] = times.findLast(([, size]) => nanoseconds >= size) ?? times[0]
  return `${digits(nanoseconds / size)} ${unit}`
}

export function rate({ rate, unit }: Result): string {
  if (unit !== 'op/s') return `${digits(rate / 1e9)} ${unit === 'B/s' ? 'GB/s' : 'GFLOP/s'}`
  return rate >= 1e6 ? `${digits(rate / 1e6)} Mop/s` : `${digits(rate / 1e3)} kop/s`
}

export function percent(share: number | null): string {
  if (share === null) return ''
  if (share >= 10) return '>999 %'
  return `${share < 0.1 ? (share * 100).toFixed(1) : (share * 100).toFixed(0)} %`
}

const columns = [
  ['case', -19],
  ['shape', -24],
  ['native', 8],
  ['±', 7],
  ['js', 9],
  ['±', 7],
  ['ratio', 7],
  ['rate', 13],
  ['peak', 6],
] as const

/** Cells in columns; negative widths: to the left. */
function aligned(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (columns[i][1] < 0 ? cell.padEnd(-columns[i][1]) : cell.padStart(columns[i][1])))
    .join('')
    .trimEnd()
}

const cellsOf = (series: Series | null): [string, string] =>
  series ? [duration(series.median), percent(series.spread)] : ['—', '']

export function row(result: Result): string {
  const { name, shape, native, js, ratio, share } = result
  const compared = ratio === null ? '' : `${digits(ratio)}×`
  return aligned([name, shape, ...cellsOf(native), ...cellsOf(js), compared, rate(result), percent(share)])
}

/** The name of a family and the heads of the columns. */
export function head(family: string): string {
  return `\n${family}\n${aligned(columns.map(([name]) => name))}`
}

export function header({
  version,
  cpu,
  node,
  platform,
  isa,
  threads,
  load,
  peak,
  noise,
  environment,
}: Machine): string {
  const bands = Object.entries(noise).map(([device, band]) => `${percent(band)} ${device}`)
  const lines = [
    ['gradus', `${version}, Node ${node} on ${platform}`],
    ['CPU', `${cpu.model}, ${cpu.processors} processors, load ${load.toFixed(1)} at the start`],
    ['native', isa ? `${isa}, threads: ${threads}` : 'not measured'],
    [
      'peak',
      peak
        ? `${digits(peak.flop / 1e9)} GFLOP/s, ${digits(peak.flopOfOneThread / 1e9)} on one thread · copy ${digits(peak.bytes / 1e9)} GB/s`
        : '—',
    ],
    ['noise', `±${bands.join(', ±')} (A/A: the ratio of two interleaved series of one case)`],
    ['environment', environment],
  ].filter(([, text]) => text !== '')
  return lines.map(([name, text]) => `${name.padEnd(12)}${text}`).join('\n')
}

export const legend: string = `
Medians; ±: interquartile range. ratio: js time / native time. peak: share of the peak above, of
arithmetic for FLOP/s, of copying for B/s; data that fits into the cache can be above 100 %.
—: not measured there, for it would take seconds.`
