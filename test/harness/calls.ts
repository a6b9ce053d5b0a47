/** One or more ways to call every public op on a float tensor of any shape, so that what holds for all is tried with all. */
import * as gradus from '../../lib/index.js'
import type { Tensor } from '../../lib/tensor.js'

export type Call = (x: Tensor) => Tensor

const last = (x: Tensor): number => x.shape[x.rank - 1]
/** Another operand of the same shape, without kinks in common. */
const other = (x: Tensor): Tensor => x.detach().mul(0.5).add(1.25)
const named = (names: readonly string[], call: (name: string) => Call): Record<string, Call> =>
  Object.fromEntries(names.map(name => [name, call(name)]))
const functions = gradus as unknown as Record<string, (...args: unknown[]) => Tensor>

const unary =
  'neg abs sign square floor ceil round exp expm1 log log1p sqrt rsqrt reciprocal sin cos tanh sigmoid relu silu softplus ' +
  'erf leakyRelu elu gelu isNaN isFinite logicalNot clone contiguous softmax logSoftmax dropout flatten squeeze'
const binary =
  'add sub mul div pow maximum minimum remainder equal notEqual less lessEqual greater greaterEqual logicalAnd logicalOr logicalXor'
/** Reductions of nothing, where there is an answer. */
const sums = 'sum mean prod logSumExp any all variance std'
const extremes = 'max min argmax argmin'

/** Ops by name, then what follows the name if there are several ways to call it. */
export const calls: Record<string, Call> = {
  ...named(unary.split(' '), name => x => functions[name](x)),
  ...named(binary.split(' '), name => x => functions[name](x, other(x))),
  ...named(sums.split(' '), name => x => functions[name](x)),
  ...Object.fromEntries(sums.split(' ').map(name => [`${name} along the last`, x => functions[name](x, -1)])),
  ...Object.fromEntries(
    sums.split(' ').map(name => [`${name} along every second`, x => functions[name](x, every2(x))]),
  ),
  ...Object.fromEntries(extremes.split(' ').map(name => [name, x => (x.size ? functions[name](x) : x)])),
  ...Object.fromEntries(
    extremes.split(' ').map(name => [`${name} along the last`, x => (last(x) ? functions[name](x, -1) : x)]),
  ),
  'gelu tanh': x => x.gelu({ approximate: 'tanh' }),
  'sum of bool': x => x.greater(0).sum(-1),
  'add broadcast': x => x.add(x.slice([0, 1])),
  clamp: x => x.clamp(-1, 1),
  cast: x => x.cast('int32'),
  assign_: x => gradus.noGrad(() => x.detach().clone().assign_(other(x))),
  'assign_ through a view': x =>
    gradus.noGrad(() => {
      const base = x.detach().clone()
      base.permute([...base.shape.keys()].reverse()).assign_(2)
      return base
    }),
  cumsum: x => x.cumsum(-1),
  'softmax first': x => x.softmax(0),
  where: x => gradus.where(x.greater(0), x, 1),
  matmul: x => (x.rank < 2 ? x.matmul(other(x)) : x.matmul(other(x).transpose())),
  embedding: x => gradus.embedding(x.reshape([-1, 1]), gradus.arange(x.size)),
  gather: x => x.gather(x.detach().cast('int32').mul(0), -1),
  indexSelect: x => x.indexSelect(gradus.arange(x.shape[0]).flip(0)),
  oneHot: x => x.detach().cast('int32').mul(0).oneHot(3),
  concat: x => gradus.concat([x, x.mul(2)], -1),
  stack: x => gradus.stack([x, x.mul(2)], 1),
  pad: x => x.pad(x.shape.map(() => [1, 0] as const)),
  repeat: x => x.repeat(2, 0),
  tile: x => x.tile(2),
  reshape: x => x.reshape([x.size]),
  expand: x => x.expand([2, ...x.shape]),
  flip: x => x.flip([...x.shape.keys()]),
  permute: x => x.permute([...x.shape.keys()].reverse()),
  slice: x => x.slice(...x.shape.map(() => [null, null, -1] as const)),
  split: x => x.split(x.shape.at(-1) ? [1, last(x) - 1] : [0, 0], -1)[1],
  transpose: x => x.transpose(0, -1),
  unsqueeze: x => x.unsqueeze(1),
  maskSelectSync: x => gradus.maskSelectSync(x, x.greater(0)),
  nonzeroSync: x => gradus.nonzeroSync(x),
  uniqueSync: x => gradus.uniqueSync(x),
}

const every2 = (x: Tensor): number[] => [...x.shape.keys()].filter(d => d % 2 === 1)

/** The same call, with the same random numbers each time. */
export function run(name: string, x: Tensor): Tensor {
  gradus.seed(7)
  return calls[name](x)
}
