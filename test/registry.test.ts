/** Nothing is forgotten: rules, kernels, twins, tolerances, cases, docs, files. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { gradients, type Tensor } from '../lib/index.js'
import { type Gradient, jsKernels, rules } from '../lib/ops/define.js'
import { nativeOnce } from '../lib/runtime/device.js'
import { commands, kernelsHash, rows } from '../lib/runtime/kernels.js'
import { type Case, call, families, has, isLarge, make, on, upstream } from './harness/cases.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const cases = families.flatMap(family => family.cases).filter(c => !c.throws && !isLarge(c))

/** Kernels and rules that ran, on the js device: forward, backward, and backward of backward. */
const ran = { kernels: new Set<string>(), rules: new Set<string>() }

type AnyFunction = (...args: unknown[]) => unknown

/** Replaces a function by one that enters its name first. */
function spy(owner: object, key: string, name: string, into: Set<string>): void {
  const all = owner as Record<string, AnyFunction>
  const original = all[key]
  if (!original) return
  all[key] = (...args) => {
    into.add(name)
    return original.apply(owner, args)
  }
}

function runThrough(c: Case): void {
  const inputs = make(c, { float: 'float64', requiresGrad: true })
  const y = call(c, inputs)
  y.dataSync()
  const leaves = inputs.filter(x => x.requiresGrad)
  if (!y.requiresGrad) return
  const first = gradients(y, leaves, { gradient: upstream(y), createGraph: true, allowUnused: true })
  const graded = first.filter((g): g is Tensor => g?.requiresGrad === true)
  for (const g of graded) gradients(g, leaves, { gradient: upstream(g), retainGraph: true, allowUnused: true })
  for (const g of first) g?.dataSync()
}

const originals = new Map(Object.entries(jsKernels).map(([name, kernel]) => [name, String(kernel)]))

beforeAll(() => {
  for (const name of Object.keys(jsKernels)) spy(jsKernels, name, name, ran.kernels)
  for (const [name, rule] of rules) for (const key of ['run', 'grad']) spy(rule, key, name, ran.rules)
  on('js', () => cases.forEach(runThrough))
})

describe('rules', () => {
  it.each([...rules.keys()])('%s has a case', name => {
    expect(ran.rules.has(name)).toBe(true)
  })
  it.each([...rules] as [string, Gradient<never>][])(
    '%s has a gradient, a definition, or a reason for none',
    (_, rule) => {
      expect(Boolean(rule.grad || rule.definition || rule.noGrad)).toBe(true)
    },
  )
})

/** Parameter names of a plain function or generator, as written. */
function parametersOf(source: string): string[] | undefined {
  const list = source.match(/^(?:\*?\w+\s*)?\(([\w\s,]*)\)\s*(?:=>|\{)/)?.[1] ?? source.match(/^(\w+)\s*=>/)?.[1]
  return list
    ?.split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
}

describe('kernels', () => {
  const names = Object.keys(rows)
  it('js and native have the same', () => expect(Object.keys(jsKernels).sort()).toEqual([...names].sort()))
  it.each(names)('%s is run by a case', name => expect(ran.kernels.has(name)).toBe(true))

  // Trailing parameters may be left away; a table builds its kernels with names of its own.
  it.each(Object.values(rows).map(row => [row.name, row] as const))('%s: the twin has its parameters', (name, row) => {
    const written = parametersOf(originals.get(name)!)
    if (written === undefined) throw new Error(`cannot read the parameters of ${originals.get(name)!.slice(0, 80)}`)
    const wanted = row.parameters.map(p => p.name)
    expect(written).toEqual(wanted.slice(0, written.length))
    const operands = row.parameters.filter(p => p.dtype !== undefined).length
    expect(written.length, 'operands at least').toBeGreaterThanOrEqual(operands)
  })

  it('numbers of records follow each other', () => {
    const ids = [...Object.values(commands), ...Object.values(rows).map(row => row.id)]
    expect(ids).toEqual(ids.map((_, i) => i))
  })
  it('lib/runtime/kernels.ts is fresh', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/generate-kernels.mjs', '--check'], { cwd: root })
    expect([status, String(stderr)]).toEqual([0, ''])
  })
  // The addon links only if every row of every instruction set is defined; so an equal list has no holes.
  it.skipIf(!has('native'))('the addon has the same list', () => {
    const loaded = nativeOnce()
    expect('native' in loaded && loaded.native.addon.hash).toBe(kernelsHash)
  })
})

describe('docs', () => {
  /** What lib/ops/index.ts exports, with the file that it comes from. */
  function exported(): [name: string, file: string][] {
    const index = readFileSync(`${root}lib/ops/index.ts`, 'utf8')
    const list: [string, string][] = []
    for (const [, names, file] of index.matchAll(/export (\*|\{[^}]*\}) from '\.\/(\w+)\.js'/g)) {
      const source = readFileSync(`${root}lib/ops/${file}.ts`, 'utf8')
      const found =
        names === '*'
          ? [...source.matchAll(/^export (?:const|(?:async )?function) (\w+)/gm)].map(m => m[1])
          : names.match(/\w+/g)!
      for (const name of found) list.push([name, file])
    }
    return list
  }
  it.each(exported())('%s in lib/ops/%s.ts has a doc comment', (name, file) => {
    const source = readFileSync(`${root}lib/ops/${file}.ts`, 'utf8')
    expect(source).toMatch(new RegExp(`\\*/\\nexport (const|(async )?function) ${name}\\b`))
  })
})

describe('documents', () => {
  const documents = readdirSync(root).filter(file => file.endsWith('.md'))
  it.each(documents)('%s links to what is there', file => {
    const links = [...readFileSync(root + file, 'utf8').matchAll(/\]\(([^)#:]+)\)/g)].map(m => m[1])
    expect(links.filter(link => !existsSync(root + link))).toEqual([])
  })
})

describe('files', () => {
  /** Files that stand alone, and why. */
  const alone: Record<string, string> = {
    'lib/ops/define': 'what all ops share',
    'lib/ops/index': 'the list of families',
    'lib/ops/functions': 'the functions that the tables name',
    'lib/ops/loops': 'the strided loops of all JS kernels',
    'native/kernels/unaryGrad': 'the gradients of unary.def',
    'native/kernels/kernel': 'the strided loops of all native kernels',
    'native/kernels/sums': 'the sums of all native kernels',
    'native/kernels/table': 'the table of all kernels',
  }
  /** Files that are missing, and why. */
  const missing: Record<string, string> = {
    'native/kernels/compare': 'its rows are in binary.def',
    'native/kernels/select': 'waits for a kernel of embedding',
    'native/kernels/moments': 'composed of other ops',
    'native/kernels/view': 'a view runs no kernel',
  }
  const stems = (folder: string): string[] => [
    ...new Set(readdirSync(root + folder).map(file => file.replace(/\.\w+$/, ''))),
  ]
  const folders = ['lib/ops', 'native/kernels', 'test/ops']
  const all = [...new Set(folders.flatMap(stems))].sort()
  it.each(all)('%s', stem => {
    if (folders.some(folder => alone[`${folder}/${stem}`])) return
    for (const folder of folders) if (!missing[`${folder}/${stem}`]) expect(stems(folder), folder).toContain(stem)
  })
  it('the exceptions are true', () => {
    const there = folders.flatMap(folder => stems(folder).map(stem => `${folder}/${stem}`))
    expect(there).toEqual(expect.arrayContaining(Object.keys(alone)))
    expect(there.filter(path => missing[path])).toEqual([])
  })
})
