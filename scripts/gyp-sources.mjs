// What binding.gyp asks of native/sources.json, one item a line:
//   common | kernels            source files
//   have ARCH                   a define for each instruction set
//   dependencies ARCH           the gyp target of each instruction set
//   flags|msvc ARCH ISA         compiler flags
import { readFileSync } from 'node:fs'

const sources = JSON.parse(readFileSync(new URL('../native/sources.json', import.meta.url), 'utf8'))
const [what, arch, isa] = process.argv.slice(2)
const isas = sources.isa[arch] ?? {}
const answers = {
  have: () => Object.keys(isas).map(name => `GRADUS_HAVE_${name}`),
  dependencies: () => Object.keys(isas).map(name => `kernels_${name}`),
  flags: () => isas[isa]?.gnu ?? [],
  msvc: () => isas[isa]?.msvc ?? [],
}
console.log((answers[what]?.() ?? sources[what]).join('\n'))
