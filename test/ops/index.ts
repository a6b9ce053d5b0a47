import type { Family } from '../harness/cases.js'
import { binary } from './binary.js'
import { compare } from './compare.js'
import { unary } from './unary.js'

export const families: readonly Family[] = [unary, binary, compare]
