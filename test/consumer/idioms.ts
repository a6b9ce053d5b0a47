// What users write between the lines that they have thought about. Only compiled, never run.
import {
  type AnyArray,
  add,
  arange,
  type Device,
  exp,
  type Generator,
  gradients,
  losses,
  type Model,
  mul,
  type Nested,
  nn,
  ones,
  randint,
  randn,
  relu,
  sum,
  type Tensor,
  tensor,
  type Values,
  where,
  zeros,
} from 'gradus'

export class Regression {
  w = randn([2, 3])
  b: Tensor = zeros([3])
  step(rate: number): void {
    this.w = this.w.sub(this.w.grad!.mul(rate))
    this.b = this.b.sub(this.b.grad!.mul(rate))
  }
}

/** Adam, as users write it. */
export function adam(parameters: Record<string, Tensor>, grads: Record<string, Tensor>, step: number): void {
  const moments = new Map<string, { m: Tensor; v: Tensor }>()
  for (const [name, g] of Object.entries(grads)) {
    const state = moments.get(name) ?? { m: zeros(g.shape), v: zeros(g.shape) }
    state.m = state.m.mul(0.9).add(g.mul(0.1))
    state.v = state.v.mul(0.999).add(g.square().mul(0.001))
    const scale = Math.sqrt(1 - 0.999 ** step) / (1 - 0.9 ** step)
    parameters[name] = parameters[name]!.sub(state.m.mul(scale * 1e-3).div(state.v.sqrt().add(1e-8)))
    moments.set(name, state)
  }
}

export async function values(
  any: AnyArray,
  lists: AnyArray[],
  either: number[] | Float32Array,
  view: ArrayBufferView,
  unknown: Values,
  nested: Nested,
  x: Tensor<'float32'>,
  t: Tensor,
): Promise<Tensor[]> {
  const float32: Tensor<'float32'>[] = [
    tensor(any),
    tensor(lists),
    tensor(either),
    tensor(nested),
    tensor(JSON.parse('[1]')),
    tensor(await x.data()),
    tensor(await t.data()),
    tensor([
      [1, 2],
      [3, 4],
    ] as const),
    tensor([new Float32Array(2), [1, 2]]),
  ]
  const int32: Tensor<'int32'> = tensor(any)
  const bool: Tensor<'bool'> = tensor(unknown)
  return [...float32, int32, bool, tensor(view)]
}

export async function lists(xs: Tensor<'float32'>[], ts: Tensor[]): Promise<number> {
  const total: Tensor<'float32'> = xs.reduce(add)
  const active: Tensor<'float32'>[] = xs.map(relu)
  const sums: Tensor<'float32'>[] = xs.map(x => sum(x))
  const product: Tensor = ts.reduce(mul)
  const exponentials: Tensor[] = ts.map(exp)
  const data = await Promise.all([...xs, ...active, ...sums].map(x => x.data()))
  const any = await Promise.all([total, product, ...exponentials].map((x: Tensor) => x.data()))
  return [...data, ...any].flatMap(values => [...values]).reduce((a, b) => a + b)
}

/** Options that are passed on may be undefined. */
export async function forwarded(
  model: Model,
  {
    dtype,
    device,
    generator,
    batchSize,
  }: {
    dtype?: 'float32' | undefined
    device?: Device | undefined
    generator?: Generator | undefined
    batchSize?: number | undefined
  },
): Promise<Tensor<'float32'>[]> {
  const x = randn([2, 3], { dtype, device, generator })
  const y = tensor([[1], [2]], { dtype, device })
  const layer = new nn.Linear(3, 1, { dtype, device, generator })
  await model.fit(x, y, { batchSize, generator })
  return [x, y, x.sum(0, { keepDims: undefined }), zeros([1], { dtype, device }), layer.weight.cast('float32')]
}

export function mixtures(x: Tensor<'float32'>, n: number, some: boolean, net: nn.Module): Tensor[] {
  const chosen: Tensor<'float32'> = some ? zeros([1]) : ones([1])
  const scaled: Tensor<'float32'> = x.mul(n).add(n).clamp(-n, n).pow(n).div(n).maximum(-Infinity)
  const out: Tensor<'float32'> = x.sub(net.forward(x)).add(add(net.forward(x), x))
  const masked: Tensor = where(net.forward(x), 1, n)
  const index: Tensor<'int32'> = arange(n).add(1)
  const pair: [Tensor, Tensor<'int32'>] = [x, randint([2], 0, 3)]
  const layer: { forward(x: Tensor): Tensor } = new nn.ReLU()
  const fn: (...xs: Tensor[]) => Tensor = (a: Tensor, b: Tensor) => a.add(b)
  const [dx] = gradients(losses.mse(x, out), [x])
  const derivative: Tensor<'float32'> = dx!
  let best: Tensor | null = null
  for (const t of [chosen, scaled]) best = best ? best.maximum(t) : t
  x.assign_(x.add(derivative))
  x.slice([0, 1]).assign_(0)
  return [masked, index, ...pair, layer.forward(x), fn(x, x), best ?? x]
}
