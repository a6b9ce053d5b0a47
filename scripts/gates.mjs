// What must hold for the binaries, whatever the tests say. Reads the objects of build/native-tests and the addon.
import { existsSync, readdirSync, statSync } from 'node:fs'
import { installed, output } from './tally.mjs'

const objects = (folder, target) => {
  const of = `${folder}/CMakeFiles/${target}.dir/native`
  return existsSync(of)
    ? readdirSync(of, { recursive: true })
        .filter(f => f.endsWith('.o'))
        .map(f => `${of}/${f}`)
    : []
}
const targets = (folder, prefix) =>
  readdirSync(`${folder}/CMakeFiles`)
    .filter(f => f.startsWith(prefix) && f.endsWith('.dir'))
    .map(f => f.slice(0, -4))

/** Weak symbols: compiled for a wide instruction set, they could be the copy the linker keeps for everyone. */
function noWeakSymbols(tally, folder) {
  for (const target of targets(folder, 'kernels_')) {
    if (target === 'kernels_test') continue
    const files = objects(folder, target)
    const weak = (output('nm', ['-C', '--defined-only', ...files]) ?? '')
      .split('\n')
      .filter(line => / [WVu] /.test(line))
    tally.check(
      files.length > 0 && weak.length === 0,
      `${target}: no weak symbols in ${files.length} objects${weak.slice(0, 5).join('\n')}`,
    )
  }
}

/** Code that runs on every x86-64 processor has no wide registers and no VEX or EVEX encodings. */
function noWideCode(tally, folder) {
  for (const target of ['kernels_baseline', 'runtime']) {
    const files = objects(folder, target)
    if (target === 'kernels_baseline' && files.length === 0) continue
    const code = output('objdump', ['-d', '--no-show-raw-insn', ...files]) ?? ''
    const wide = code
      .split('\n')
      .filter(
        line =>
          /%[yz]mm|\t(v[a-z]+|k(mov|and|or|xor|test|shift)[a-z]*|[a-z]+x)\s+.*%(x|k)\w*,.*%/.test(line) &&
          /\t(v[a-z]|k)|%[yz]mm/.test(line),
      )
    tally.check(code.length > 0 && wide.length === 0, `${target}: no AVX instructions${wide.slice(0, 5).join('\n')}`)
  }
}

/** The instructions of the innermost loop with the most fused multiply-adds: the tile of the matrix product. */
function tileOf(code) {
  let best = []
  for (const body of code.split(/\n\n/)) {
    const lines = body
      .split('\n')
      .map(line => line.match(/^\s*([0-9a-f]+):\s+(.*)$/))
      .filter(Boolean)
    const at = new Map(lines.map((line, i) => [line[1], i]))
    for (const [i, line] of lines.entries()) {
      const start = at.get(line[2].match(/^j\w+\s+([0-9a-f]+)/)?.[1])
      if (start === undefined || start >= i) continue
      const loop = lines.slice(start, i + 1).map(l => l[2])
      const inner = loop.slice(0, -1).every(text => !/^(j|call)/.test(text))
      const count = all => all.filter(text => /^vfn?m/.test(text)).length
      if (inner && count(loop) > count(best)) best = loop
    }
  }
  return best
}

/** Only told, not demanded: a spill costs speed, not correctness. */
function reportSpills(folder) {
  for (const isa of ['avx2', 'avx512']) {
    const file = objects(folder, `kernels_${isa}`).find(f => f.endsWith('matmul.cc.o'))
    const loop = file ? tileOf(output('objdump', ['-d', '--no-show-raw-insn', file]) ?? '') : []
    const fused = loop.filter(text => /^vfn?m/.test(text)).length
    const spills = loop.filter(text => /\(%r[sb]p/.test(text)).length
    if (loop.length)
      console.log(
        `        ${isa} tile of matmul: ${loop.length} instructions, ${fused} multiply-adds, ${spills} on the stack`,
      )
  }
}

const newer = (a, b) => a.localeCompare(b, undefined, { numeric: true }) > 0
const highest = (symbols, name) =>
  [...symbols.matchAll(new RegExp(`\\b${name}_([0-9.]+)`, 'g'))]
    .map(m => m[1])
    .reduce((a, b) => (newer(b, a) ? b : a), '0')

/** What the addon exports, what it needs of the system, and how large it is. */
function addonGates(tally, addon) {
  if (!existsSync(addon)) {
    tally.skip(`${addon} is not built: run npm run build:native`)
    return
  }
  const exported = (output('nm', ['-D', '--defined-only', addon]) ?? '')
    .trim()
    .split('\n')
    .map(line => line.split(' ').pop())
  const allowed = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
  const extra = exported.filter(name => !allowed.includes(name))
  tally.check(
    exported.includes(allowed[0]) && extra.length === 0,
    `addon exports Node-API symbols only ${extra.slice(0, 5).join(' ')}`,
  )
  const needs = output('objdump', ['-T', addon]) ?? ''
  for (const [name, limit] of [
    ['GLIBC', '2.34'],
    ['GLIBCXX', '3.4.29'],
  ]) {
    const needed = highest(needs, name)
    tally.check(!newer(needed, limit), `addon needs ${name}_${needed}, at most ${limit}`)
  }
  const dynamic = output('readelf', ['-d', addon]) ?? ''
  tally.check(/BIND_NOW|FLAGS_1.*NOW/.test(dynamic), 'addon binds its symbols at load: its tables are read-only then')
  tally.check(needs.includes('__stack_chk_fail'), 'addon has stack protectors')
  console.log(`        addon: ${(statSync(addon).size / 1024).toFixed(0)} KiB`)
}

export function gates(tally, folder, addon) {
  if (process.platform !== 'linux' || !installed('objdump') || !installed('nm')) {
    console.error('the gates need objdump and nm on Linux; on Debian: apt-get install binutils')
    tally.skip('gates')
    return
  }
  if (!existsSync(`${folder}/CMakeFiles`)) tally.skip('gates on objects: the native tests are not built')
  else {
    noWeakSymbols(tally, folder)
    if (process.arch === 'x64') noWideCode(tally, folder)
    reportSpills(folder)
  }
  addonGates(tally, addon)
}
