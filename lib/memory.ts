import { describe, OptionError } from './errors.js'
import { checkDevice, type Device, nativeOnce, openStreams, streamOf } from './runtime/device.js'

/** What the tensors of this module instance take. */
export interface MemoryReport {
  /** Live storages (views share one). */
  readonly tensors: number
  /** Bytes of live storages, and the most there ever were. */
  readonly bytes: number
  readonly peak: number
  /** The limit in bytes for the whole process: above it, creating a tensor throws. */
  readonly limit: number
  /** Estimated milliseconds of work issued and not done. */
  readonly queued: number
  /** Bytes of commands issued and not done, and of copies that they upload. */
  readonly queuedBytes: number
}

/** Memory and queue of the devices in use. Includes what the garbage collector has not found yet. */
export function memory(): { readonly [D in Device]?: MemoryReport } {
  return Object.fromEntries(
    openStreams().map(({ device, heap, inFlight, queuedBytes }) => {
      const { tensors, bytes, peak, limit } = heap
      return [device, { tensors, bytes, peak, limit, queued: inFlight / 1e6, queuedBytes }]
    }),
  )
}

/** Live tensors that were made in one place. */
export interface LiveTensors {
  /** The operation, its layer, and with `GRADUS_DEBUG=1` the line of the program. */
  readonly source: string
  readonly count: number
  readonly bytes: number
}

/** Where live tensors were made, largest first: for finding what keeps memory. */
export function liveTensors(): LiveTensors[] {
  const places = new Map<string, { source: string; count: number; bytes: number }>()
  for (const { heap } of openStreams())
    for (const { source, bytes } of heap.live()) {
      const place = places.get(source) ?? { source, count: 0, bytes: 0 }
      place.count++
      place.bytes += bytes
      places.set(source, place)
    }
  return [...places.values()].sort((a, b) => b.bytes - a.bytes)
}

/** Sets how many bytes the tensors of a device may take in the process: here, and in its workers. */
export function setMemoryLimit(device: Device, bytes: number): void {
  checkDevice('setMemoryLimit', device)
  if (!(typeof bytes === 'number' && bytes > 0))
    throw new OptionError('setMemoryLimit', `bytes must be a number above 0, got ${describe(bytes)}`)
  streamOf(device).heap.limit = Math.min(bytes, Number.MAX_SAFE_INTEGER)
  for (const { heap } of openStreams()) heap.report(true)
}

/**
 * Resolves when all work issued so far is done.
 *
 * @throws The first failure that no read has reported.
 */
export async function synchronize(): Promise<void> {
  for (const stream of openStreams()) await stream.mark('all')
}
/** As `synchronize`, but blocks. */
export function synchronizeSync(): void {
  for (const stream of openStreams()) stream.synchronizeSync()
}

/** Bytes in the native pool of the process: in use, and kept for reuse. */
export function nativePool(): { live: number; idle: number } | undefined {
  const loaded = nativeOnce()
  if ('error' in loaded) return undefined
  const [live, idle] = loaded.native.addon.memory()
  return { live, idle }
}
