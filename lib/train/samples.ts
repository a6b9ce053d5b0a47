/** Data on its way into a model: tensors on its device, checked before anything runs. */
import { dataFor, tensorOf, type Values } from '../creation.js'
import { type DType, isFloating, promote } from '../dtype.js'
import { DTypeError, describe, OptionError, ShapeError } from '../errors.js'
import { cast, isTensor } from '../ops/define.js'
import { reshape } from '../ops/view.js'
import type { Device } from '../runtime/device.js'
import { keep, noGrad, tidy } from '../scope.js'
import { format, type Shape, sameShape, sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import { trimmed } from './formulas.js'

/** Samples: a tensor, or what `tensor()` accepts. */
export type Data = Tensor | Values

/** What a model asks of its data. */
export interface Wanted {
  readonly device: Device
  /** The dtype of the parameters: floating data is brought to it. */
  readonly dtype: DType
  /** The shape of one sample, where the model knows it. */
  readonly sample: Shape | undefined
}

const rowOf = (t: Tensor): Shape => t.shape.slice(1)

/** What may have been meant by data of another shape. */
function hintFor(x: Tensor, sample: Shape, one: string): string {
  if (x.rank === sample.length) return `for one sample use ${one}, for several a shape [n, ${sample.join(', ')}]`
  const count = x.size / sizeOf(sample)
  return Number.isInteger(count)
    ? `reshape them to [${[count, ...sample].join(', ')}]`
    : 'does the model have the right inputShape?'
}

/** Samples x along axis 0 and, but for `predict`, their targets y. */
export class Samples {
  readonly tensors: readonly Tensor[]
  private readonly op: string
  private readonly wanted: Wanted
  private readonly training: Samples | undefined
  private readonly made: Tensor[] = []

  /** @param training For data of validation, what is trained with: they come in the same form. */
  constructor(op: string, wanted: Wanted, data: readonly Data[], training?: Samples) {
    this.op = op
    this.wanted = wanted
    this.training = training
    try {
      this.tensors = noGrad(() => Array.from(data, (d, i) => (i === 0 ? this.samplesOf(d) : this.take(d, i))))
      this.checkCounts()
    } catch (error) {
      this.release()
      throw error
    }
  }

  /** Is one sample, with its target, of the same shape as one of these? */
  resembles(others: Samples): boolean {
    return this.tensors.every((t, i) => sameShape(rowOf(t), rowOf(others.tensors[i])))
  }

  /** Gives up what was made here. */
  release(): void {
    for (const t of this.made) t.dispose()
  }

  private nameOf(i: number): string {
    return `${this.training ? 'validation ' : ''}${i === 0 ? 'x' : 'y'}`
  }

  /** What hands the data over, for errors about their elements. */
  private opOf(i: number): string {
    return `${this.op}(${this.nameOf(i)})`
  }

  private samplesOf(given: Data): Tensor {
    const { op, wanted } = this
    const name = this.nameOf(0)
    const x = this.take(given, 0)
    if (x.rank === 0)
      throw new ShapeError(op, `expected samples along axis 0, ${name} is a scalar`, 'for one sample use [x]')
    if (x.size === 0) throw new OptionError(op, `there are no samples: ${name} is empty, ${format(x.shape)}`)
    const { sample } = wanted
    if (!sample || sameShape(rowOf(x), sample)) return x
    if (x.rank === 1 && sameShape(sample, [1])) return this.own(reshape(x, [-1, 1]))
    throw new ShapeError(
      op,
      `expected samples of shape ${format(sample)} along axis 0, ${name} has shape ${format(x.shape)}`,
      hintFor(x, sample, isTensor(given) ? 'x.unsqueeze(0)' : '[x]'),
    )
  }

  /** A tensor on the device, in the dtype of the training data or, if it is floating, of the parameters. */
  private take(given: Data, i: number): Tensor {
    const { device, dtype } = this.wanted
    if (given === undefined || given === null)
      throw new OptionError(this.op, `${this.nameOf(i)} is missing, got ${String(given)}`)
    if (typeof given === 'object' && (Symbol.asyncIterator in given || 'batch' in given))
      throw new OptionError(
        this.op,
        `${this.nameOf(i)} must be a tensor or an array, got ${describe(given)}`,
        'batches of a Loader are trained with in a loop of your own: loss.backward(), optimizer.step()',
      )
    const like = this.training?.tensors[i]
    const taken = like ? tidy(() => this.inForm(given, like, i)) : dataFor(this.opOf(i), given, device, dtype)
    return taken === given ? taken : this.own(taken)
  }

  /** Data of validation in dtype and shape of the training data, as far as that changes nothing about them. */
  private inForm(given: Data, like: Tensor, i: number): Tensor {
    const { device, dtype } = like
    const t = isTensor(given) ? given.to(device) : tensorOf(this.opOf(i), given, { device, dtype })
    if (promote(t.dtype, dtype) !== dtype && !isFloating(dtype))
      throw new DTypeError(
        this.op,
        `${this.nameOf(i)} is ${t.dtype}, but that of the training is ${dtype}`,
        `convert one of them: x.cast('${dtype}')`,
      )
    const [row, wanted] = [rowOf(t), rowOf(like)]
    const shaped = t.rank > 0 && !sameShape(row, wanted) && sameShape(trimmed(row), trimmed(wanted))
    return cast(shaped ? reshape(t, [t.shape[0], ...wanted]) : t, dtype)
  }

  private own(t: Tensor): Tensor {
    this.made.push(keep(t))
    return t
  }

  private checkCounts(): void {
    const [x, y] = this.tensors
    if (!y || (y.rank > 0 && y.shape[0] === x.shape[0])) return
    throw new ShapeError(
      this.op,
      `${this.nameOf(0)} and y must have equally many rows, got ${x.shape[0]} and ${y.rank > 0 ? y.shape[0] : 'a scalar'}`,
      'each sample has one target along axis 0',
    )
  }
}
