import { type Device, systemReport } from '../../lib/index.js'

/** Devices to test: both, or js alone where the addon is absent or GRADUS_DEVICE=js asks for it. */
export const devices: readonly Device[] =
  process.env['GRADUS_DEVICE'] !== 'js' && systemReport().native.loaded ? ['js', 'native'] : ['js']
export const hasNative: boolean = devices.includes('native')
