// Programs of users compile against the built declarations, with the oldest and the newest supported TypeScript.
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const require = createRequire(import.meta.url)
const compiler = (name: string): string => join(dirname(require.resolve(`${name}/package.json`)), 'bin', 'tsc')

const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, declaration: true }
/** Neither Node's types nor the DOM's are there unless the declarations ask for them. */
const settings = {
  'nodenext, every library checked': { module: 'nodenext', lib: ['es2022'], skipLibCheck: false },
  'bundler, every library checked': {
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: ['esnext', 'dom'],
    skipLibCheck: false,
  },
  'nodenext, skipLibCheck': { module: 'nodenext', lib: ['es2023'], skipLibCheck: true },
}

describe.each(['typescript-oldest', 'typescript'])('%s', name => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradus-consumer-'))
    cpSync(join(root, 'test', 'consumer'), folder, { recursive: true })
    const installed = join(folder, 'node_modules', 'gradus')
    cpSync(join(root, 'package.json'), join(installed, 'package.json'))
    const declarations = (path: string): boolean => !/\.(js|map)$/.test(path)
    cpSync(join(root, 'dist'), join(installed, 'dist'), { recursive: true, filter: declarations })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(Object.entries(settings))('%s', { timeout: 120_000 }, async (title, options) => {
    const project = join(folder, `${title.replaceAll(/\W+/g, '-')}.json`)
    const compilerOptions = { ...strict, ...options, target: 'es2022', types: [], noEmit: true }
    const files = readdirSync(folder).filter(file => file.endsWith('.ts'))
    writeFileSync(project, JSON.stringify({ compilerOptions, files }))
    const run = promisify(execFile)(process.execPath, [compiler(name), '-p', project])
    const problems = await run.then(
      () => '',
      (error: { stdout: string }) => error.stdout,
    )
    expect(problems).toBe('')
  })
})
