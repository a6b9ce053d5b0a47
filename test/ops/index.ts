import type { Family } from '../harness/cases.js'
import { binary } from './binary.js'
import { compare } from './compare.js'
import { embedding } from './embedding.js'
import { loss } from './loss.js'
import { matmul } from './matmul.js'
import { movement } from './movement.js'
import { random } from './random.js'
import { reduce } from './reduce.js'
import { select } from './select.js'
import { softmax } from './softmax.js'
import { step } from './step.js'
import { unary } from './unary.js'

export const families: readonly Family[] = [
  unary,
  binary,
  compare,
  reduce,
  movement,
  matmul,
  softmax,
  embedding,
  select,
  random,
  loss,
  step,
]
