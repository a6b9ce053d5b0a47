// Runs every kind of test there is and adds up what they count. Called by .ci/run after `npm ci`.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const suites = [
  ['check', 'npm', ['run', 'check']],
  ['test, baseline', 'npm', ['test'], { GRADUS_ISA: 'baseline' }],
  ['test, avx2', 'npm', ['test'], { GRADUS_ISA: 'avx2' }],
  ['test, js', 'npm', ['test'], { GRADUS_DEVICE: 'js' }],
  ['test, no addon', 'npm', ['test'], { GRADUS_NATIVE_PATH: '/nonexistent/gradus.node' }],
  ['native', 'npm', ['run', 'test:native']],
  ['arm64', 'npm', ['run', 'test:arm64']],
]

/** The machine's instruction sets; a level above them is skipped, and said so. */
const { available } = JSON.parse(
  spawnSync('node', ['dist/cli/main.js', 'doctor', '--json'], { cwd: root, encoding: 'utf8' }).stdout,
).native

/** The totals that a suite prints: vitest's summary line, or `N passed, N failed[, N skipped]`. */
function totals(output) {
  const lines = output.replace(/\x1b\[[0-9;]*m/g, '').split('\n')
  const counts = lines.filter(
    line => /^\s*Tests\s+.*\d+ (passed|failed)/.test(line) || /^(\w+: )?\d+ passed, \d+ failed/.test(line),
  )
  const sum = word => counts.reduce((n, line) => n + Number(line.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0), 0)
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
}

const all = { passed: 0, failed: 0, skipped: 0 }
const broken = []
for (const [name, command, args, env = {}] of suites) {
  if (env.GRADUS_ISA && !available.includes(env.GRADUS_ISA)) {
    console.log(`── ${name}: this CPU does not have it, skipped`)
    all.skipped++
    continue
  }
  const start = performance.now()
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', ...env },
    maxBuffer: 1 << 28,
  })
  const output = result.stdout + result.stderr
  const count = totals(output)
  for (const key of Object.keys(all)) all[key] += count[key]
  console.log(
    `── ${name}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped in ${((performance.now() - start) / 1000).toFixed(0)} s`,
  )
  if (result.status !== 0) {
    console.log(output.slice(-20_000))
    broken.push(name)
    if (count.failed === 0) all.failed++ // it failed without counting
  }
}
if (broken.length > 0) console.log(`failed: ${broken.join(', ')}`)
console.log(`${all.passed} passed, ${all.failed} failed`)
process.exit(broken.length > 0 ? 1 : 0)
