import '../index.js'
import { type Device, environmentOnce, nativeOnce } from '../runtime/device.js'
import { latencyLines, measureLatency } from './bench/latency.js'
import { quick, thorough } from './bench/measure.js'
import { head, header, legend, row } from './bench/report.js'
import { type Family, families, measureCase, measureMachine, type Result } from './bench/run.js'

export interface BenchOptions {
  /** The only family to measure. */
  readonly family?: Family | 'latency'
  readonly json: boolean
  readonly device?: 'native' | 'js' | 'both'
  /** Few samples: to see that everything runs. */
  readonly quick: boolean
}

export const familyNames: readonly (Family | 'latency')[] = [...(Object.keys(families) as Family[]), 'latency']

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

/** How late timers are beside work: measured when asked for, since it takes its time. */
async function latency(devices: readonly Device[], few: boolean, json: boolean): Promise<number> {
  const results = await measureLatency(devices, few)
  console.log(json ? JSON.stringify({ results }, null, 2) : latencyLines(results).join('\n'))
  return 0
}

/** Measures and prints. Times native and js in turns in this one process. */
export async function bench({ family, json, device, quick: few }: BenchOptions): Promise<number> {
  const plan = few ? quick : thorough
  const devices = devicesFor(device)
  if (family === 'latency') return latency(devices, few, json)
  const machine = await measureMachine(devices, plan)
  const print = json ? () => {} : (text: string) => console.log(text)
  print(header(machine))
  const results: Result[] = []
  for (const name of family ? [family] : (Object.keys(families) as Family[])) {
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
