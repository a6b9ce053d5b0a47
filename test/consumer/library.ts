// A library of users: what it exports without naming a type must have types that can be named.
import * as gradus from 'gradus'
import { add, type Device, type DType, losses, nn, type Tensor, type TensorLike, tensor, zeros } from 'gradus'

/** The whole public surface. */
export const everything = {
  ...gradus,
  ...gradus.losses,
  ...gradus.metrics,
  ...gradus.data,
  ...gradus.nn,
  ...gradus.optim,
  ...gradus.layers,
  ...gradus.nn.init,
}

export const origin = zeros([2])
export const elements = await origin.data()
export const unknownElements = await (origin as Tensor).data()
export const plus = add
export const plusOne = (x: Tensor) => x.add(1)
export const activation = <D extends DType>(x: Tensor<D>) => x.exp()
export const scaled = <D extends DType>(x: Tensor<D>, by: TensorLike) => x.mul(by).sum(0)
export const both = <A extends DType, B extends DType>(a: Tensor<A>, b: Tensor<B>) => a.matmul(b).greater(a)
export const pick = <A extends Tensor>(mask: Tensor<'bool'>, a: A) => mask.where(a, 0)
export const joined = <A extends DType, B extends DType>(a: Tensor<A>, b: Tensor<B>) => a.concat(b)
export const given = <V extends number[] | Float64Array>(values: V) => tensor(values)
export const make = <D extends DType = 'float32'>(dtype?: D, device?: Device) =>
  zeros([1], { ...(dtype && { dtype }), ...(device && { device }) })
export const parameter = new nn.Parameter(origin)
export const loss = (p: Tensor, t: Tensor) => losses.mse(p, t)
/** Every operation as a method. */
const { toJSON, ...methods } = origin

export { methods }
export class Head extends nn.Module {
  readonly inner = new nn.Sequential(new nn.Linear(2, 1), new nn.ReLU())
  readonly bias = new nn.Parameter(zeros([1]))
  forward(x: Tensor) {
    return this.inner.forward(x).add(this.bias)
  }
}
