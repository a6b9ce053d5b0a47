// npm run check: the gate before a commit. Stops at the first thing that fails.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = name => `${root}node_modules/${name}`
const steps = [
  ['kernel list', 'scripts/generate-kernels.mjs', '--check'],
  ['format and lint', bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'],
  ['types', bin('typescript/bin/tsc'), '-p', 'tsconfig.json'],
  ['types of tests', bin('typescript/bin/tsc'), '-p', 'tsconfig.test.json'],
  ['types of examples', bin('typescript/bin/tsc'), '-p', 'examples'],
  ['addon', 'scripts/build-native.mjs'],
  ['examples in the documents', 'scripts/doctest.mjs'],
  ['tests', bin('vitest/vitest.mjs'), 'run'],
]
for (const [name, script, ...args] of steps) {
  const start = performance.now()
  console.log(`── ${name}`)
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' })
  if (status !== 0) {
    console.error(`check: ${name} failed`)
    process.exit(1)
  }
  console.log(`   ${((performance.now() - start) / 1000).toFixed(1)} s`)
}
