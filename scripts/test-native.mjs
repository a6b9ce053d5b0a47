// Builds and runs the native test programs: plain, under AddressSanitizer with UBSan, under ThreadSanitizer; then the
// gates on the binaries. No Node-API is needed.
//   node scripts/test-native.mjs [plain] [asan] [tsan] [gates]      all four without an argument
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gates } from './gates.mjs'
import { installed, output, Tally } from './tally.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const tally = new Tally()

// What runs where: the sanitizers see a part of the kernel cases, since each row's code is the same for every length.
const programs = {
  plain: [
    ['kernels'],
    ['runtime'],
    ['runtime', '--check'],
    ['failure'],
    ['failure', '--check'],
    ['stream'],
    ['fuzz', '200000'],
    ['threads'],
  ],
  asan: [
    ['kernels', '--every=7'],
    ['runtime'],
    ['runtime', '--check'],
    ['failure'],
    ['failure', '--check'],
    ['stream'],
    ['fuzz', '100000'],
    ['threads'],
  ],
  tsan: [['kernels', '--every=29'], ['runtime'], ['failure'], ['stream'], ['threads']],
}
const sanitizers = { plain: '', asan: 'address,undefined', tsan: 'thread' }
const folder = kind => `${root}build/native-tests${kind === 'plain' ? '' : `-${kind}`}`

function build(kind) {
  const generator = installed('ninja') ? ['-G', 'Ninja'] : []
  const configured = existsSync(`${folder(kind)}/CMakeCache.txt`) ? [] : generator
  const options = ['-DGRADUS_TESTS=ON', `-DGRADUS_SANITIZE=${sanitizers[kind]}`]
  return (
    tally.build(`${kind}: configuration`, 'cmake', [...configured, '-S', root, '-B', folder(kind), ...options]) &&
    tally.build(`${kind}: programs`, 'cmake', ['--build', folder(kind), '--parallel', '2'])
  )
}

function test(kind) {
  if (!build(kind)) return
  // gcc's ThreadSanitizer does not know address spaces with more than 28 random bits.
  const wrapped = kind === 'tsan' && output('setarch', ['-R', 'true']) !== undefined
  for (const [name, ...args] of programs[kind]) {
    const program = `${folder(kind)}/${name}_test`
    const title = `${kind}: ${[name, ...args].join(' ')}`
    if (wrapped) tally.run(title, 'setarch', ['-R', program, ...args])
    else tally.run(title, program, args)
  }
  if (kind !== 'plain') return
  const ofMath = readdirSync(folder(kind)).filter(file => /^math_test_\w+$/.test(file))
  for (const program of ofMath) tally.run(`plain: ${program}`, `${folder(kind)}/${program}`)
}

const wanted = process.argv.slice(2)
const kinds = ['plain', 'asan', 'tsan'].filter(kind => wanted.length === 0 || wanted.includes(kind))
if (!installed('cmake')) {
  console.error(
    'the native tests need cmake 3.19 or newer and a C++17 compiler; on Debian: apt-get install cmake g++ ninja-build',
  )
  tally.skip('native tests')
} else {
  for (const kind of kinds) test(kind)
  if (wanted.length === 0 || wanted.includes('gates')) gates(tally, folder('plain'), `${root}build/Release/gradus.node`)
}
tally.finish()
