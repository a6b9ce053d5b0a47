/** Weights in Keras's order and layout, and the table of layers. */
import { OptionError, ShapeError } from '../errors.js'
import { Embedding } from '../nn/embedding.js'
import type { Module } from '../nn/module.js'
import type { Parameter } from '../nn/parameter.js'
import { transpose } from '../ops/view.js'
import { noGrad, tidy } from '../scope.js'
import { format } from '../shape.js'
import type { Tensor } from '../tensor.js'

/** Kernels are stored [out, in], and Keras shows them as [in, out]; tables of embeddings are the same in both. */
function turnedOf(module: Module): (p: Parameter) => boolean {
  const tables = [...module.namedModules().values()].filter(m => m instanceof Embedding).flatMap(m => m.parameters())
  return p => p.rank === 2 && !tables.includes(p)
}

export function weightsOf(module: Module): Tensor[] {
  const isTurned = turnedOf(module)
  return noGrad(() => module.parameters().map(p => (isTurned(p) ? transpose(p) : p).clone()))
}

export function setWeights(module: Module, weights: readonly Tensor[]): void {
  const parameters = module.parameters()
  if (weights.length !== parameters.length)
    throw new OptionError('setWeights', `expected ${parameters.length} arrays, got ${weights.length}`)
  const isTurned = turnedOf(module)
  const assign = (): void => {
    // Copies: the weights may be the module's own, in another order.
    const turned = weights.map((w, i) => (isTurned(parameters[i]) ? transpose(w) : w).clone())
    turned.forEach((w, i) => {
      if (format(w.shape) !== format(parameters[i].shape))
        throw new ShapeError(
          'setWeights',
          `array ${i} has shape ${format(weights[i].shape)}, which does not fit the parameter of shape ${format(parameters[i].shape)}`,
        )
    })
    turned.forEach((w, i) => parameters[i].assign_(w))
  }
  noGrad(() => tidy(assign))
}

/** How many numbers a module has itself, not in the modules within it. */
function ownSizes(module: Module): Map<string, number> {
  const sizes = new Map([...module.namedModules().keys()].map(name => [name, 0]))
  for (const [path, p] of module.namedParameters()) {
    let owner = path
    while (!sizes.has(owner)) owner = owner.slice(0, Math.max(0, owner.lastIndexOf('.')))
    sizes.set(owner, sizes.get(owner)! + p.size)
  }
  return sizes
}

export function summaryOf(module: Module): string {
  const sizes = ownSizes(module)
  const rows = [...module.namedModules()].filter(([name]) => name !== '' || sizes.size === 1 || sizes.get('')! > 0)
  const number = (n: number): string => n.toLocaleString('en')
  const lines = rows.map(([name, m]) => [name || 'model', m.toString(), number(sizes.get(name)!)])
  const head = ['name', 'layer', 'parameters']
  const widths = head.map((h, c) => Math.max(h.length, ...lines.map(l => l[c].length)))
  const line = (cells: string[]) =>
    cells.map((cell, c) => (c === 2 ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join('  ')
  const total = [...sizes.values()].reduce((n, size) => n + size, 0)
  return [line(head), line(widths.map(w => '─'.repeat(w))), ...lines.map(line), `Parameters: ${number(total)}`].join(
    '\n',
  )
}
