// Programs of users that must compile, with every supported TypeScript. Only compiled, never run.
import {
  add,
  arange,
  checkpoint,
  concat,
  customGrad,
  type DType,
  data,
  dense,
  eye,
  full,
  grad,
  gradcheck,
  linspace,
  losses,
  type Model,
  matmul,
  metrics,
  nn,
  noGrad,
  ones,
  optim,
  rand,
  randint,
  randn,
  type Shape,
  sequential,
  stack,
  Tensor,
  type TensorLike,
  tensor,
  tidy,
  valueAndGrad,
  where,
  zeros,
  zerosLike,
} from 'gradus'

/** Compiles only if T is exactly what the value is. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
declare function is<T>(): <U>(value: U, ...same: Same<U, Tensor<T & DType>> extends true ? [] : [never]) => void

export async function updates(g: Tensor, loss: Tensor): Promise<void> {
  let w = randn([2, 3])
  w = w.sub(g)
  w = w.sub(w.grad!)
  w = w.sub(w.grad!.mul(0.1))
  w = noGrad(() => w.sub(w.grad!.mul(0.1)))
  let t = zeros([])
  t = t.add(loss)
  t = t.add(loss.mul(0.5)).div(2)
  let best = full([], Infinity)
  best = best.minimum(loss)
  const parameters = [randn([2, 3]), randn([3]), zeros([])]
  parameters.push(randn([7, 7]))
  for (const p of parameters) p.requiresGrad_()
  for (let i = 0; i < parameters.length; i++) parameters[i] = parameters[i]!.sub(parameters[i]!.grad!.mul(1e-3))
  new optim.Adam(parameters)
  const x = w.requiresGrad_()
  x.grad!.mul(2)
  let h: Tensor = x
  h = h.relu().matmul(w).greater(0)
}

export async function reading(t: Tensor, f: Tensor<'float32'>): Promise<number> {
  const a: Float32Array = await f.data()
  const b: Float32Array<ArrayBuffer> = f.dataSync()
  const sum = (await f.data()).reduce((a, b) => a + b)
  const plain = (await t.data()).reduce((a, b) => a + b)
  const known: Float32Array = await t.data()
  const indices: Int32Array = await t.data()
  const classes: Int32Array = await t.argmax(1).data()
  const mask: Uint8Array = await t.greater(0).data()
  const doubles: Float64Array = await t.cast('float64').data()
  const largest = Math.max(...(await t.data()))
  for (const value of await t.data()) value.toFixed(2)
  const scaled = (await t.data())
    .map(v => v * 2)
    .filter(v => v > 1)
    .slice(0, 3)
    .join()
  const list: number[] = Array.from(await t.data(), v => v + 1)
  const best = (await t.data()).indexOf(largest)
  const rows = (await t.toArray()) as number[][]
  const n: number = await t.item()
  return sum + plain + n + best + [a, b, known, indices, classes, mask, doubles, scaled, list, rows].length
}

export function dtypes(
  x: Tensor<'float32'>,
  i: Tensor<'int32'>,
  b: Tensor<'bool'>,
  d: Tensor<'float64'>,
  n: number,
): void {
  const float32 = is<'float32'>()
  const int32 = is<'int32'>()
  const bool = is<'bool'>()
  const float64 = is<'float64'>()
  for (const y of [zeros([2]), ones([2]), rand([2]), randn([2]), eye(3), eye(2, 3), linspace(0, 1, 5)]) float32(y)
  float32(
    tensor([
      [1, 2],
      [3, 4],
    ]),
  )
  float32(tensor([[true, 2]]))
  float32(tensor(1.5))
  float32(tensor([]))
  float32(tensor(new Float32Array(4), [2, 2]))
  float32(full([2], 1))
  float32(arange(0.5, 3))
  float32(arange(0, 1, 0.1))
  int32(randint([2], 0, 9))
  int32(arange(5))
  int32(arange(-2, 8, 2))
  int32(tensor(new Uint8Array(4)))
  int32(tensor(new BigInt64Array(4)))
  int32(zeros([2], { dtype: 'int32' }))
  int32(zeros(2, 3, { dtype: 'int32' }))
  int32(tensor([1, 2], { dtype: 'int32', device: 'js' }))
  bool(tensor([true, false]))
  bool(full([2], true))
  float64(tensor(new Float64Array(4)))
  float64(randn([2], { dtype: 'float64' }))
  float64(zerosLike(d))
  arange(n).add(1).data()

  float32(x.add(i).sub(b).mul(n).div(2))
  float32(add(1, x))
  float32(add(i, x))
  float64(x.mul(d))
  int32(i.add(1))
  int32(i.add(b).mul(2).pow(2))
  float32(i.mul(0.5))
  float32(i.div(2))
  float32(i.div(i))
  bool(x.greater(0))
  bool(x.isNaN().logicalNot())
  bool(x.any())
  bool(i.all(0))
  int32(x.argmax(1))
  int32(x.argmin())
  int32(b.sum())
  int32(i.sum(0, { keepDims: true }))
  float32(i.mean())
  float32(b.softmax())
  float32(i.exp())
  int32(i.neg())
  float64(d.std(0))
  bool(b.reshape([2, 1]).transpose())
  float32(x.where(1, 0))
  float32(b.where(x, 0))
  int32(where(b, i, 0))
  float64(where(b, x, d))
  float32(matmul(x, i))
  float64(x.matmul(d))
  int32(concat([i, b]))
  float32(stack([x, i]))
  float32(i.concat([x, x]))
  float32(i.oneHot(10))
  float32(x.gather(i, 1))
  float32(x.indexSelect(i).embedding(i).cumsum(0).clamp(0, 1).dropout(0.5))
  float32(x.clone().detach().contiguous().to('js').requiresGrad_())
  float32(i.cast('float32'))
  const [first, second] = x.split(2)
  float32(first!)
  float32(second!)
}

export async function shapes(): Promise<void> {
  const w: Tensor<'float32', readonly [2, 3]> = zeros([2, 3])
  const [rows, columns]: readonly [2, 3] = w.shape
  const m: Tensor<'float32', readonly [number, number]> = randn([rows, columns])
  const v: Tensor<'int32', readonly [6]> = arange(6).reshape([6])
  const p: nn.Parameter<'float32', readonly [2, 3]> = new nn.Parameter(w)
  const kept: Tensor<'float32', readonly [2, 3]> = w.detach().relu()
  const found: Tensor = await m.maskSelect(w.greater(0))
  const indices: Tensor<'int32'> = await v.nonzero()
  const any: readonly Tensor[] = [w, m, v, p, kept, found, indices]
  any.length
}

const double = (x: Tensor): Tensor => x.mul(2)
const same = <T extends Tensor>(x: T): T => x
const twice = <D extends DType>(x: Tensor<D>): Tensor => x.add(x)
const scale = (x: Tensor, by: TensorLike): Tensor => add(x, by)
const asked = async (values: number[], dtype: DType) => (await tensor(values, { dtype }).data()).reduce((a, b) => a + b)
const like = (shape: Shape, options: { dtype?: DType } = {}): Tensor => zeros(shape, options)
export const calls: Tensor[] = [
  double(arange(3)),
  double(randn([2])),
  same(tensor([true])),
  twice(zeros([2])),
  scale(ones([1]), 2),
  scale(ones([1]), ones([1])),
  like([2], { dtype: 'int32' }),
]
export const sum: Promise<number> = asked([1], 'int32')
export const total: Tensor = calls.reduce((a, b) => a.add(b))
export const floats: Tensor<'float32'> = [zeros([2]), ones([2])].reduce((a, b) => a.add(b))
export const from: Tensor<'float32'> = calls.reduce((a, b) => a.add(b), zeros([]))
export const named: Record<string, Tensor> = { a: zeros([1]), b: arange(3), c: new nn.Parameter(ones([2])) }
export const map: Map<string, Tensor> = new Map([['a', zeros([1])]])

class Attention extends nn.Module {
  readonly query: nn.Linear
  readonly heads: nn.Linear[]
  scale = new nn.Parameter(ones([1]))
  table: nn.Parameter = new nn.Parameter(randn([4, 4]))
  steps = new nn.Buffer(tensor(0, { dtype: 'int32' }))
  bias: nn.Parameter | null = null
  constructor(width: number) {
    super()
    this.query = new nn.Linear(width, width)
    this.heads = [new nn.Linear(width, 1)]
  }
  forward(x: Tensor, mask?: Tensor): Tensor {
    let y = this.query.forward(x).mul(this.scale).add(this.table)
    if (mask) y = where(mask, y, -Infinity)
    if (this.bias) y = y.add(this.bias)
    for (const head of this.heads) y = y.add(head.forward(y))
    this.steps.assign_(this.steps.add(1))
    return y.softmax(-1).matmul(x)
  }
}
class Pair extends nn.Module {
  inner = new Attention(4)
  forward(a: Tensor, b: Tensor): [Tensor, Tensor] {
    return [this.inner.forward(a), b]
  }
}

export async function training(): Promise<void> {
  const net = new Attention(4)
  const optimizer = new optim.AdamW(net.parameters(), { learningRate: 0.01 })
  const x = randn([8, 4])
  const y = randint([8], 0, 4)
  let running = zeros([])
  for (let step = 0; step < 10; step++) {
    optimizer.zeroGrad()
    const loss = tidy(() => losses.crossEntropy(net.forward(x), y))
    loss.backward()
    optimizer.step()
    running = running.add(loss.detach())
  }
  const [a] = new Pair().forward(x, x)
  const accuracy: Tensor = metrics.accuracy(a, y)
  const model: Model = sequential([dense(8, { inputShape: [4], activation: 'relu' }), dense(1)])
  model.compile({
    optimizer: 'adam',
    loss: 'huber',
    metrics: ['accuracy', (p: Tensor, t: Tensor) => p.sub(t).abs().mean()],
  })
  await model.fit(x, y, { epochs: 1, verbose: 0 })
  const loader = new data.Loader(new data.TensorDataset(x, y), { batchSize: 4, shuffle: true })
  for await (const [bx, by] of loader) losses.mse(net.forward(bx!), by!)
  const state: Record<string, Tensor> = net.stateDict()
  net.loadStateDict({ ...state, scale: ones([1]) })
  await accuracy.item()
}

export async function gradients(x: Tensor<'float32'>): Promise<void> {
  const straightThrough = customGrad({ forward: x => x.round(), backward: g => [g] })
  straightThrough(x).sum().backward()
  const clipped = customGrad({
    forward: (a: Tensor, b: Tensor) => a.mul(b),
    backward: (g, { inputs: [a, b] }) => [g.mul(b!), g.mul(a!)],
  })
  clipped(x, arange(3)).backward({ gradient: ones([3]) })
  const f = valueAndGrad((w: Tensor, b: Tensor<'float32'>) => w.mul(b).sum())
  const { value, grads } = f(x, x)
  const g: Tensor = grads[0]
  const h: Tensor<'float32'> = grads[1]
  const derivative = grad(grad((x: Tensor) => x.pow(3).sum()))
  const second: Tensor = derivative(x)
  const block = new Attention(4)
  checkpoint(block.forward.bind(block), x).sum().backward()
  checkpoint((a: Tensor<'float32'>, b: Tensor) => a.mul(b), x, arange(3))
  await gradcheck((x, y) => x.mul(y).tanh(), [x, second])
  for (const t of [value, g, h]) await t.item()
}

/** The forms of PyTorch. */
export function forms(x: Tensor<'float32'>): Tensor<'float32'>[] {
  return [
    zeros(2, 3),
    randn(2, { requiresGrad: true }),
    x.permute(1, 0),
    x.permute([1, 0]),
    x.reshape(3, 2),
    x.reshape(-1),
    x.expand(4, -1, -1),
    x.tile(2, 2),
    x.squeeze(0),
    x.squeeze(),
    x.flip(0),
    x.flip([0, 1]),
    x.sum({ keepDims: true }),
    x.sum([]),
    x.max(0, { keepDims: true }),
    x.mean([0, 1]),
    x.std(0, { correction: 0 }),
    x.softmax(),
    x.cumsum(-1),
    x.slice(0, [null, 2], [0, -1, 2]),
    ...x.split([1, 1]),
  ]
}

export function containers(x: Tensor<'float32'>, i: Tensor<'int32'>): Tensor[] {
  const trained: Tensor<'float32'>[] = [new nn.Parameter(x), x]
  const parameters: nn.Parameter[] = [new nn.Parameter(x), new nn.Parameter(x.cast('float64'))]
  const either: Tensor<'float32' | 'int32'> = x.size > 1 ? x : i
  const real: Tensor<'float32' | 'float64'> = x
  const byName = new Map<string, Tensor>(parameters.map((p, n) => [`${n}`, p]))
  const grouped: Record<string, Tensor[]> = { a: trained, b: parameters }
  const mean = trained.reduce((a, b) => a.add(b)).div(trained.length)
  const sums = [...byName.values(), ...Object.values(grouped).flat()].map(t => t.sum())
  const product = parameters.reduce((y: Tensor, p) => y.matmul(p), x)
  const stacked: Tensor<'float32'> = stack(trained.map(t => t.sum()))
  const mixed: Tensor = concat([x, i, product])
  const average = (list: readonly Tensor[]): Tensor => stack(list).mean(0)
  let state: Tensor | undefined
  for (const t of trained) state = state ? state.mul(0.9).add(t) : t
  return [either, real, mean, ...sums, stacked, mixed, average(trained), average([x, i]), state ?? x]
}

export function lifetime(): void {
  using x = tensor([1])
  const { a, b } = tidy(() => ({ a: x.mul(2), b: [x.greater(0)] }))
  const typed: Tensor<'float32'> = a
  const list: Tensor<'bool'>[] = b
  if ((x as unknown) instanceof Tensor) for (const t of [typed, ...list]) t.dispose()
}
