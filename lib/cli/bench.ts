import '../index.js'
import { type Device, environmentOnce, nativeOnce } from '../runtime/device.js'
import { quick, thorough } from './bench/measure.js'
import { head, header, legend, row } from './bench/report.js'
import { type Family, families, measureCase, measureMachine, type Result } from './bench/run.js'

export interface BenchOptions {
  /** The only family to measure. */
  readonly family?: Family
  readonly json: boolean
  readonly device?: 'native' | 'js' | 'both'
  /** Few samples: to see that everything runs. */
  readonly quick: boolean
}

export const familyNames = Object.keys(families) as readonly Family[]

/** The devices that were asked for; else both, where the addon loads and `GRADUS_DEVICE=js` does not ask otherwise. */
function devicesFor(wanted: BenchOptions['device']): Device[] {
  const loaded = nativeOnce()
  const { device, isa } = environmentOnce()
  const needed = wanted === 'native' || wanted === 'both' || device === 'native' || isa !== undefined
  if (wanted === 'js' || (wanted === undefined && device === 'js')) return ['js']
  if ('native' in loaded) return wanted === 'native' ? ['native'] : ['native', 'js']
  if (needed) throw loaded.error
  return ['js']
}

/** Measures and prints. Times native and js in turns in this one process. */
export async function bench({ family, json, device, quick: few }: BenchOptions): Promise<number> {
  const plan = few ? quick : thorough
  const devices = devicesFor(device)
  const machine = await measureMachine(devices, plan)
  const print = json ? () => {} : (text: string) => console.log(text)
  print(header(machine))
  const results: Result[] = []
  for (const name of family ? [family] : familyNames) {
    print(head(name))
    for (const c of families[name]) {
      const result = await measureCase(name, c, devices, machine, plan)
      if (!result) continue
      print(row(result))
      results.push(result)
    }
  }
  print(legend)
  if (json) console.log(JSON.stringify({ machine, results }, null, 2))
  return 0
}
