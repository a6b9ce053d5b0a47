// Builds the addon without the network.
//   (no option)      with cmake-js, incrementally; with node-gyp where there is no cmake
//   --prebuildify    a stripped binary in prebuilds/, with node-gyp; further options go to prebuildify
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const options = process.argv.slice(2)

if (!existsSync(resolve(root, 'node_modules/node-api-headers'))) {
  console.error('gradus: development packages are not installed, so the addon is not built; the js device will be used')
  process.exit(0)
}

// Node's headers lie beside its binary on every Unix install; without this, node-gyp would download them.
const env = { ...process.env }
const prefix = resolve(process.execPath, process.platform === 'win32' ? '..' : '../..')
if (!env.npm_config_nodedir && existsSync(resolve(prefix, 'include/node/common.gypi')))
  env.npm_package_config_node_gyp_nodedir = prefix
env.PATH = `${resolve(root, 'node_modules/.bin')}${process.platform === 'win32' ? ';' : ':'}${env.PATH}`

function run(script, args) {
  const result = spawnSync(process.execPath, [script, ...args], { cwd: root, env, stdio: 'inherit' })
  if (result.error) console.error(result.error.message)
  return result.status ?? 1
}
const bin = (name, file) => resolve(dirname(require.resolve(`${name}/package.json`)), file)

if (options.includes('--prebuildify')) {
  const rest = options.filter(option => option !== '--prebuildify')
  process.exit(run(bin('prebuildify', 'bin.js'), ['--napi', '--strip', '--tag-libc', ...rest]))
}
const hasCmake = spawnSync('cmake', ['--version'], { env, stdio: 'ignore' }).status === 0
process.exit(
  hasCmake
    ? run(bin('cmake-js', 'bin/cmake-js'), ['compile', '--parallel', '2', ...options])
    : run(bin('node-gyp', 'bin/node-gyp.js'), ['rebuild', '--jobs', 'max', ...options]),
)
