// Builds and runs the native test programs: plain, under AddressSanitizer with UBSan, under ThreadSanitizer; then the
// gates on the binaries. No Node-API is needed.
//   node scripts/test-native.mjs [plain] [asan] [tsan] [gates]      all four without an argument
//   node scripts/test-native.mjs arm64                              cross-compiled, under qemu
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gates } from './gates.mjs'
import { installed, output, Tally } from './tally.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const tally = new Tally()
const asan = '-DGRADUS_SANITIZE=address,undefined'
const tsan = '-DGRADUS_SANITIZE=thread'
const arm64 = [
  '-DCMAKE_SYSTEM_NAME=Linux',
  '-DCMAKE_SYSTEM_PROCESSOR=aarch64',
  '-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++',
]
// gcc's ThreadSanitizer does not know address spaces with more than 28 random bits.
const fixedAddresses = output('setarch', ['-R', 'true']) === undefined ? [] : ['setarch', '-R']
const qemu = ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu']

// What runs where: sanitizers and emulation see a part of the kernel cases, since a row's code is the same for every length.
const kinds = {
  plain: {
    folder: `${root}build/native-tests`,
    options: [],
    wrapper: [],
    programs: [
      ['kernels'],
      ['runtime'],
      ['runtime', '--check'],
      ['failure'],
      ['failure', '--check'],
      ['stream'],
      ['fuzz', '200000'],
      ['threads'],
      ['math'],
    ],
  },
  asan: {
    folder: `${root}build/native-tests-asan`,
    options: [asan],
    wrapper: [],
    programs: [
      ['kernels', '--every=7'],
      ['runtime'],
      ['runtime', '--check'],
      ['failure'],
      ['failure', '--check'],
      ['stream'],
      ['fuzz', '100000'],
      ['threads'],
    ],
  },
  tsan: {
    folder: `${root}build/native-tests-tsan`,
    options: [tsan],
    wrapper: fixedAddresses,
    programs: [['kernels', '--every=29'], ['runtime'], ['failure'], ['stream'], ['threads']],
  },
  arm64: {
    folder: `${root}build/native-tests-arm64`,
    options: arm64,
    wrapper: qemu,
    programs: [
      ['kernels', '--every=5'],
      ['runtime'],
      ['failure'],
      ['stream'],
      ['fuzz', '20000'],
      ['threads'],
      ['math'],
    ],
  },
}

function build(kind, { folder, options }) {
  const generator = !existsSync(`${folder}/CMakeCache.txt`) && installed('ninja') ? ['-G', 'Ninja'] : []
  const all = [...generator, '-S', root, '-B', folder, '-DGRADUS_TESTS=ON', ...options]
  return (
    tally.build(`${kind}: configuration`, 'cmake', all) &&
    tally.build(`${kind}: programs`, 'cmake', ['--build', folder, '--parallel', '2'])
  )
}

function test(kind) {
  const { folder, wrapper, programs } = kinds[kind]
  if (!build(kind, kinds[kind])) return
  const run = (title, ...command) => tally.run(`${kind}: ${title}`, ...split([...wrapper, ...command]))
  for (const [name, ...args] of programs) {
    // There is one such program for each instruction set.
    const files = readdirSync(folder).filter(file => new RegExp(`^${name}_test(_[a-z0-9]+)?$`).test(file))
    for (const file of files) run([file, ...args].join(' '), `${folder}/${file}`, ...args)
    if (files.length === 0) tally.check(false, `${kind}: no program ${name}`)
  }
}
const split = ([command, ...args]) => [command, args]

const given = process.argv.slice(2)
const wanted = given.length === 0 ? ['plain', 'asan', 'tsan', 'gates'] : given
const needs = wanted.includes('arm64') ? ['cmake', 'aarch64-linux-gnu-g++', 'qemu-aarch64'] : ['cmake']
const missing = needs.filter(program => !installed(program))
if (missing.length > 0) {
  console.error(`missing: ${missing.join(', ')}; on Debian: apt-get install cmake g++ g++-aarch64-linux-gnu qemu-user`)
  tally.skip(`native tests: ${wanted.join(', ')}`)
} else {
  for (const kind of Object.keys(kinds)) if (wanted.includes(kind)) test(kind)
  if (wanted.includes('gates')) gates(tally, kinds.plain.folder, `${root}build/Release/gradus.node`)
}
tally.finish()
