/** The table of layers: their names, what they are, the shapes they give, and their parameters. */
import { zeros } from '../creation.js'
import type { Module } from '../nn/module.js'
import { isTensor } from '../ops/define.js'
import { Generator } from '../random.js'
import type { Device } from '../runtime/device.js'
import { noGrad, tidy } from '../scope.js'
import type { Shape } from '../shape.js'
import { Run } from './run.js'

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

/** Runs a function while `see` is told what each module gives. */
function watched(modules: Iterable<Module>, see: (module: Module, output: unknown) => void, fn: () => void): void {
  const restore: (() => void)[] = []
  try {
    for (const m of modules) {
      const { forward } = m
      const before = Object.getOwnPropertyDescriptor(m, 'forward')
      const value = (...inputs: unknown[]): unknown => {
        const output = forward.apply(m, inputs)
        see(m, output)
        return output
      }
      Object.defineProperty(m, 'forward', { value, writable: true, configurable: true })
      restore.push(() => {
        delete (m as { forward?: unknown }).forward
        if (before) Object.defineProperty(m, 'forward', before)
      })
    }
    fn()
  } finally {
    for (const put of restore) put()
  }
}

/** The shapes that modules give, n standing for the size of a batch; none where they cannot be run. */
function outputsOf(module: Module, sample: Shape | undefined, device: Device): Map<Module, string> {
  const shapes = new Map<Module, string>()
  if (!sample) return shapes
  const modules = [...module.namedModules().values()]
  const see = (m: Module, y: unknown): void => {
    if (isTensor(y)) shapes.set(m, `[${y.shape.map((dim, d) => (d === 0 && dim < 2 ? 'n' : dim)).join(', ')}]`)
  }
  // An empty batch costs nothing, but some modules cannot take it; samples may be numbers, or indices for an embedding.
  for (const rows of [0, 1])
    for (const dtype of ['float32', 'int32'] as const) {
      shapes.clear()
      const run = new Run('summary', module, false, device, new Generator(0))
      const forward = (): void => void run.forward(zeros([rows, ...sample], { dtype, device }))
      try {
        watched(modules, see, () => run.step(() => noGrad(() => tidy(forward))))
        return shapes
      } catch {
        // What is wrong with a module of the user's is for training to tell.
      } finally {
        run.close()
      }
    }
  return new Map()
}

/** @param sample The shape of one sample, if it is known. */
export function summaryOf(module: Module, sample: Shape | undefined, device: Device): string {
  const sizes = ownSizes(module)
  const outputs = outputsOf(module, sample, device)
  const rows = [...module.namedModules()].filter(([name]) => name !== '' || sizes.size === 1 || sizes.get('')! > 0)
  const number = (n: number): string => n.toLocaleString('en')
  const shown = ([name, m]: [string, Module]): string[] => [
    name || 'model',
    m.toString(),
    ...(outputs.size > 0 ? [outputs.get(m) ?? ''] : []),
    number(sizes.get(name)!),
  ]
  const head = ['name', 'layer', ...(outputs.size > 0 ? ['output'] : []), 'parameters']
  const lines = rows.map(shown)
  const widths = head.map((h, c) => Math.max(h.length, ...lines.map(l => l[c].length)))
  const line = (cells: string[]): string =>
    cells.map((cell, c) => (c === head.length - 1 ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join('  ')
  const total = [...sizes.values()].reduce((n, size) => n + size, 0)
  return [line(head), line(widths.map(w => '─'.repeat(w))), ...lines.map(line), `Parameters: ${number(total)}`].join(
    '\n',
  )
}
