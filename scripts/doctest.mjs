// Type-checks and runs every @example in lib/ and every ts snippet in the documents, and compares what they claim:
//   expression // value        const name = expression // value
// A value that ends in … is compared up to there. Writes .cache/docs; prints `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}.cache/docs`
const gradus = await import('../dist/index.js')

const lineOf = (text, at) => text.slice(0, at).split('\n').length

/** The examples of a source file: comment lines after @example, up to the next tag or the end. */
function examplesIn(file) {
  const text = readFileSync(root + file, 'utf8')
  return [...text.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap(comment =>
    [...comment[0].matchAll(/@example\n([\s\S]*?)(?=\n\s*\* @|\*\/$)/g)].map(([, body]) => ({
      source: `${file}:${lineOf(text, comment.index)}`,
      code: body.replace(/^\s*\* ?/gm, '').trim(),
    })),
  )
}

/** The ts blocks of a document. */
function snippetsIn(file) {
  const text = readFileSync(root + file, 'utf8')
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => ({
    source: `${file}:${lineOf(text, match.index)}`,
    code: match[1],
  }))
}

/** Turns `expression // value` into a comparison. */
function withChecks(code) {
  return code.replace(
    /^(?!\s*(?:\/\/|for|if|import|class|return|\}))(.*?\S)[ \t]+\/\/ (.+)$/gm,
    (line, statement, value) => {
      const claim = JSON.stringify(value)
      const declared = statement.match(/^const (?:\{ (\w+) \}|(\w+)) = /)
      if (declared) return `${statement}; check(${declared[1] ?? declared[2]}, ${claim})`
      return /^(const|let) /.test(statement) ? line : `check(${statement.replace(/;$/, '')}, ${claim})`
    },
  )
}

/** Imports whatever exports of the package a snippet uses without importing them. */
function withImports(code) {
  if (/from 'gradus'/.test(code)) return code
  const names = Object.keys(gradus).filter(
    name =>
      new RegExp(`(?<![.\\w])${name}\\b(?!:)`).test(code) &&
      !new RegExp(`(const|class|function) ${name}\\b`).test(code),
  )
  return `import { ${names.join(', ')} } from 'gradus'\n${code}`
}

function normal(text) {
  return text
    .replace(/\s+/g, ' ')
    .replace(/(Float32Array|Int32Array|Uint8Array|Float64Array)\(\d+\)/g, '$1')
    .replace(/([[{]) | ([\]}])/g, '$1$2')
    .trim()
}

let passed = 0
const failures = []
let current = ''
globalThis.check = (value, claim) => {
  const shown = normal(inspect(value, { depth: 9, breakLength: Number.POSITIVE_INFINITY, compact: true }))
  const wanted = normal(claim)
  const right = wanted.endsWith('…') ? shown.startsWith(wanted.slice(0, -1)) : shown === wanted
  if (!right) failures.push(`${current}: says ${wanted}, is ${shown}`)
}

const sources = readdirSync(`${root}lib`, { recursive: true })
  .filter(f => f.endsWith('.ts'))
  .sort()
  .map(f => `lib/${f}`)
  .flatMap(examplesIn)
const documents = readdirSync(root)
  .filter(f => f.endsWith('.md'))
  .sort()
  .flatMap(snippetsIn)
const all = [...sources, ...documents]
rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
all.forEach(({ code }, i) => {
  writeFileSync(
    `${folder}/e${i}.ts`,
    `declare function check(value: unknown, claim: string): void\n${withImports(withChecks(code))}\nexport {}\n`,
  )
})
const options = {
  extends: '../../tsconfig.json',
  compilerOptions: {
    rootDir: '.',
    outDir: 'out',
    strict: false,
    declaration: false,
    isolatedDeclarations: false,
    sourceMap: false,
    verbatimModuleSyntax: false,
  },
  include: ['*.ts'],
}
writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(options))
const tsc = spawnSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', folder], { encoding: 'utf8' })
for (const line of tsc.stdout.split('\n').filter(Boolean)) {
  const index = line.match(/e(\d+)\.ts/)?.[1]
  failures.push(`${index ? all[index].source : ''}: ${line}`)
}
const log = console.log
for (const [i, { source }] of all.entries()) {
  current = source
  const before = failures.length
  console.log = () => {}
  try {
    await import(pathToFileURL(`${folder}/out/e${i}.js`).href)
  } catch (error) {
    failures.push(`${source}: ${error.message}`)
  }
  console.log = log
  if (failures.length === before) passed++
}
for (const failure of failures) console.error(failure)
console.log(`examples: ${passed} passed, ${failures.length} failed`)
process.exit(failures.length ? 1 : 0)
