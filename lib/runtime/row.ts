import type { DType } from '../dtype.js'

/** How a kernel uses an operand, or what kind of number it takes. */
export type Use = 'in' | 'out' | 'inOut' | 'stridedIn' | 'stridedOut' | 'stridedInOut' | 'size' | 'real'
export type Group = 'elementwise' | 'reduction' | 'gemm' | 'movement' | 'random' | 'effect'

export interface Parameter {
  readonly name: string
  readonly use: Use
  /** Element type of an operand; `T`: the one of the record. */
  readonly dtype?: DType | 'T'
}

/** One row of native/kernels.def. */
export interface Row {
  readonly name: string
  readonly id: number
  /** Element types T that the native device has; the js device has them all. */
  readonly dtypes: readonly DType[]
  readonly group: Group
  readonly parameters: readonly Parameter[]
  /** Which parameters are strided operands. */
  readonly strided: readonly boolean[]
  /** The first operand of the record's element type. */
  readonly typed: number
}

export function row(name: string, id: number, dtypes: readonly DType[], group: Group, parameters: string): Row {
  const parsed = parameters.split(' ').map(text => {
    const [name, use, dtype] = text.split(':')
    return { name, use, dtype } as Parameter
  })
  const strided = parsed.map(p => isStrided(p.use))
  return { name, id, dtypes, group, parameters: parsed, strided, typed: parsed.findIndex(p => p.dtype === 'T') }
}

export function isStrided(use: Use): boolean {
  return use === 'stridedIn' || use === 'stridedOut' || use === 'stridedInOut'
}
