import { totalmem } from 'node:os'
import { DeviceError, describe } from '../errors.js'
import { type Accounts, localAccounts } from './account.js'
import { type Environment, readEnvironment } from './environment.js'
import type { Executor } from './executor.js'
import { JsExecutor, type JsKernels } from './js.js'
import { type Loaded, loadNative, sharedAccounts } from './native.js'
import { Stream } from './stream.js'

/** Where tensors live: C++ kernels, or TypeScript ones. */
export type Device = 'native' | 'js'

let environment: Environment | undefined
let loaded: Loaded | undefined
let jsKernels: JsKernels | undefined
let accounts: Accounts | undefined
const streams: { native?: Stream; js?: Stream } = {}
let chosen: Device | undefined

/** Hands the js device its kernels; called once, by lib/index.ts. */
export function installJsKernels(kernels: JsKernels): void {
  jsKernels = kernels
}

export function environmentOnce(): Environment {
  environment ??= readEnvironment()
  return environment
}

/** The addon, loaded at first use, or the reason why not. */
export function nativeOnce(): Loaded {
  loaded ??= loadNative(environmentOnce(), spare())
  return loaded
}

/** What Node itself takes, with a heap that is not empty. */
const ofNode = 96 * 1024 * 1024

/** 80 % of what the machine, or the container if its limit is smaller, has beside Node. */
function spare(): number {
  const constrained = process.constrainedMemory?.() ?? 0
  const total = totalmem()
  const bytes = constrained > 0 && constrained < total ? constrained : total
  return Math.floor(0.8 * Math.max(bytes - ofNode, bytes / 4))
}

/** The accounts of the process; of this module instance only, where there is no addon. */
function accountsOnce(): Accounts {
  const result = nativeOnce()
  accounts ??= 'native' in result ? sharedAccounts(result.native) : localAccounts(spare())
  return accounts
}

/** Puts another executor around the native one. */
export type Wrap = (native: Executor, kernels: JsKernels, onEvents: () => void) => Executor

/** A new native stream, its executor wrapped or not; `eager`: every record runs as it is issued. */
export function openNative(
  wrap: Wrap = native => native,
  { eager = environmentOnce().sync }: { eager?: boolean } = {},
): Stream {
  const result = nativeOnce()
  if ('error' in result) throw result.error
  const { addon, isa } = result.native
  return new Stream('native', onEvents => wrap(new addon.Stream(isa, onEvents), jsKernels!, onEvents), {
    eager,
    debug: environmentOnce().debug,
    accounts: accountsOnce(),
  })
}

function openStream(device: Device): Stream {
  if (device === 'native') return openNative()
  return new Stream('js', onEvents => new JsExecutor(jsKernels!, onEvents), {
    eager: environmentOnce().sync,
    debug: environmentOnce().debug,
    accounts: accountsOnce(),
  })
}

/** Runs a function whose tensors are made on `stream`, which stands in for its device and is the default. */
export function withStream<T>(stream: Stream, fn: () => T): T {
  const { device } = stream
  const [before, default_] = [streams[device], chosen]
  streams[device] = stream
  chosen = device
  try {
    return fn()
  } finally {
    streams[device] = before
    chosen = default_
  }
}

/** The stream of a device; opened at first use. */
export function streamOf(device: Device): Stream {
  streams[device] ??= openStream(device)
  return streams[device]
}

export function openStreams(): Stream[] {
  return Object.values(streams).filter(stream => stream !== undefined)
}

export function checkDevice(op: string, device: unknown): Device {
  if (device === 'native' || device === 'js') return device
  throw new DeviceError(op, `expected 'native' or 'js', got ${describe(device)}`)
}

/**
 * The device of new tensors: `GRADUS_DEVICE`, else native where the addon loads, else js.
 * A forced instruction set that the machine lacks is an error, not a reason to fall back.
 */
export function defaultDevice(): Device {
  if (chosen) return chosen
  const { device, isa } = environmentOnce()
  if (device === 'js') chosen = 'js'
  else {
    const result = nativeOnce()
    if ('error' in result && (device === 'native' || isa)) throw result.error
    chosen = 'error' in result ? 'js' : 'native'
    if ('error' in result)
      process.emitWarning(`${result.error.message}. The js device is used, which is many times slower.`, {
        code: 'GRADUS_W_NO_ADDON',
      })
  }
  return chosen
}

/** Sets the device of new tensors. Throws if it is not there. */
export function setDevice(device: Device): void {
  streamOf(checkDevice('setDevice', device))
  chosen = device
}
