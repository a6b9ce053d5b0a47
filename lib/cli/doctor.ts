import { type SystemReport, systemReport } from '../report.js'

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`

/** What to do, in plain words. */
function advice({ device, native }: SystemReport): string {
  if (device === 'native') return 'all is well'
  if (device === 'js' && native.loaded) return 'the js device was asked for; unset GRADUS_DEVICE to use the native one'
  return native.problem ?? 'no device can be used'
}

function lines(r: SystemReport): [string, string][] {
  const { native } = r
  return [
    ['gradus', r.version],
    ['device', r.device ?? 'none'],
    ['addon', native.path ?? 'not loaded'],
    ['ISA', native.isa ? `${native.isa} (available: ${native.available.join(', ')})` : '—'],
    ['threads', native.threadsWhy ? `${native.threads} (${native.threadsWhy})` : '1 (JavaScript)'],
    ['memory', `${gib(r.memory.used)} of ${gib(r.memory.limit)} for tensors`],
    ['CPU', `${r.cpu.model}, ${r.cpu.processors} processors`],
    ['Node', `${r.node} on ${r.platform}`],
    [
      'environment',
      Object.entries(r.environment)
        .map(([k, v]) => `${k}=${v}`)
        .join(' ') || '—',
    ],
    ['verdict', advice(r)],
  ]
}

/** Prints the system report; exit code 1 if no device can be used. */
export function doctor(json: boolean): number {
  const report = systemReport()
  if (json) console.log(JSON.stringify(report, null, 2))
  else for (const [name, value] of lines(report)) console.log(`${name.padEnd(12)} ${value}`)
  return report.device ? 0 : 1
}
