/** Weights in Keras's order and layout, and the table of layers. */
import { OptionError, ShapeError } from '../errors.js'
import { Embedding } from '../nn/embedding.js'
import type { Module, Parameter } from '../nn/module.js'
import { isTensor } from '../ops/define.js'
import { transpose } from '../ops/view.js'
import { noGrad } from '../scope.js'
import { format, sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'

/** Kernels are stored [out, in], and Keras shows them as [in, out]; tables of embeddings are the same in both. */
function turnedOf(module: Module): (p: Parameter) => boolean {
  const tables = [...module.namedModules().values()].filter(m => m instanceof Embedding).flatMap(m => m.parameters())
  return p => p.rank === 2 && !tables.includes(p)
}

export function weightsOf(module: Module): Tensor[] {
  const isTurned = turnedOf(module)
  return module.parameters().map(p => (isTurned(p) ? transpose(p.detach()).contiguous() : p.detach()))
}

export function setWeights(module: Module, weights: readonly Tensor[]): void {
  const parameters = module.parameters()
  if (weights.length !== parameters.length)
    throw new OptionError('setWeights', `expected ${parameters.length} arrays, got ${weights.length}`)
  const isTurned = turnedOf(module)
  noGrad(() => {
    const turned = weights.map((w, i) => (isTurned(parameters[i]) ? transpose(w) : w))
    turned.forEach((w, i) => {
      if (format(w.shape) !== format(parameters[i].shape))
        throw new ShapeError(
          'setWeights',
          `array ${i} has shape ${format(weights[i].shape)}, which does not fit the parameter of shape ${format(parameters[i].shape)}`,
        )
    })
    turned.forEach((w, i) => parameters[i].assign_(w))
  })
}

export function summaryOf(module: Module): string {
  const rows = [...module.namedModules()].filter(([name, m]) => name !== '' || m.namedModules().size === 1)
  const own = (m: Module) => Object.values(m).reduce((n: number, v) => n + (isTensor(v) ? sizeOf(v.shape) : 0), 0)
  const lines = rows.map(([name, m]) => [name || 'model', m.toString(), own(m).toLocaleString('en')])
  const head = ['name', 'layer', 'parameters']
  const widths = head.map((h, c) => Math.max(h.length, ...lines.map(l => l[c].length)))
  const line = (cells: string[]) =>
    cells.map((cell, c) => (c === 2 ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join('  ')
  const total = module.parameters().reduce((n, p) => n + p.size, 0)
  return [
    line(head),
    line(widths.map(w => '─'.repeat(w))),
    ...lines.map(line),
    `Parameters: ${total.toLocaleString('en')}`,
  ].join('\n')
}
