import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs an ES module against the built package in a process of its own. */
export function runNode(source: string, env: Record<string, string> = {}, args: string[] = []) {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')))
  const code = `import * as gradus from '${new URL('../../dist/index.js', import.meta.url).href}';\n${source}`
  const result = spawnSync(process.execPath, ['--expose-gc', ...args, '--input-type=module', '-e', code], {
    cwd: root,
    env: { ...inherited, ...env } as NodeJS.ProcessEnv,
    encoding: 'utf8',
    timeout: 50_000,
  })
  return { status: result.status, signal: result.signal, out: result.stdout.trim(), err: result.stderr.trim() }
}

/** Runs a script of the package. */
export function runScript(args: string[], env: Record<string, string> = {}) {
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 50_000,
  })
  return { status: result.status, out: result.stdout.trim(), err: result.stderr.trim() }
}
