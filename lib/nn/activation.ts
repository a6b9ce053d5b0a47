/** Activations as layers, thin over ops/unary.ts and ops/softmax.ts. */
import { logSoftmax, softmax } from '../ops/softmax.js'
import { elu, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from '../ops/unary.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'

/** max(x, 0). Same shape, as for all activations. */
export class ReLU extends Module {
  static override readonly name: string = 'ReLU'
  forward(x: Tensor): Tensor {
    return relu(x)
  }
}
/** x where x > 0, else slope·x. `slope`: 0.01 unless given. */
export class LeakyReLU extends Module {
  static override readonly name: string = 'LeakyReLU'
  readonly slope: number
  constructor(slope = 0.01) {
    super()
    this.slope = slope
  }
  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.slope)
  }
}
/** x where x > 0, else alpha·(eˣ − 1). `alpha`: 1 unless given. Clevert et al. (2016). */
export class ELU extends Module {
  static override readonly name: string = 'ELU'
  readonly alpha: number
  constructor(alpha = 1) {
    super()
    this.alpha = alpha
  }
  forward(x: Tensor): Tensor {
    return elu(x, this.alpha)
  }
}
/** x·Φ(x), Φ the normal distribution function; `'tanh'` for the form of GPT-2. Hendrycks & Gimpel (2016). */
export class GELU extends Module {
  static override readonly name: string = 'GELU'
  readonly approximate: 'none' | 'tanh'
  constructor(approximate: 'none' | 'tanh' = 'none') {
    super()
    this.approximate = approximate
  }
  forward(x: Tensor): Tensor {
    return gelu(x, { approximate: this.approximate })
  }
}
/** x·σ(x), also called swish. Elfwing et al. (2018). */
export class SiLU extends Module {
  static override readonly name: string = 'SiLU'
  forward(x: Tensor): Tensor {
    return silu(x)
  }
}
/** 1/(1 + e⁻ˣ). */
export class Sigmoid extends Module {
  static override readonly name: string = 'Sigmoid'
  forward(x: Tensor): Tensor {
    return sigmoid(x)
  }
}
/** The hyperbolic tangent. */
export class Tanh extends Module {
  static override readonly name: string = 'Tanh'
  forward(x: Tensor): Tensor {
    return tanh(x)
  }
}
/** log(1 + eˣ). */
export class Softplus extends Module {
  static override readonly name: string = 'Softplus'
  forward(x: Tensor): Tensor {
    return softplus(x)
  }
}
/** Softmax along `axis`, the last unless given. */
export class Softmax extends Module {
  static override readonly name: string = 'Softmax'
  readonly axis: number
  constructor(axis = -1) {
    super()
    this.axis = axis
  }
  forward(x: Tensor): Tensor {
    return softmax(x, this.axis)
  }
}
/** The logarithm of softmax along `axis`, the last unless given. */
export class LogSoftmax extends Module {
  static override readonly name: string = 'LogSoftmax'
  readonly axis: number
  constructor(axis = -1) {
    super()
    this.axis = axis
  }
  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.axis)
  }
}
