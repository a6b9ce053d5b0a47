/** Activations as layers, thin over ops/unary.ts and ops/softmax.ts. */
import { logSoftmax, softmax } from '../ops/softmax.js'
import { elu, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from '../ops/unary.js'
import type { Tensor } from '../tensor.js'
import { Module } from './module.js'

export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return relu(x)
  }
}
export class LeakyReLU extends Module {
  readonly slope: number
  constructor(slope = 0.01) {
    super()
    this.slope = slope
  }
  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.slope)
  }
}
export class ELU extends Module {
  readonly alpha: number
  constructor(alpha = 1) {
    super()
    this.alpha = alpha
  }
  forward(x: Tensor): Tensor {
    return elu(x, this.alpha)
  }
}
export class GELU extends Module {
  readonly approximate: 'none' | 'tanh'
  constructor(approximate: 'none' | 'tanh' = 'none') {
    super()
    this.approximate = approximate
  }
  forward(x: Tensor): Tensor {
    return gelu(x, { approximate: this.approximate })
  }
}
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return silu(x)
  }
}
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return sigmoid(x)
  }
}
export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return tanh(x)
  }
}
export class Softplus extends Module {
  forward(x: Tensor): Tensor {
    return softplus(x)
  }
}
/** Softmax along `axis`, the last unless given. */
export class Softmax extends Module {
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
  readonly axis: number
  constructor(axis = -1) {
    super()
    this.axis = axis
  }
  forward(x: Tensor): Tensor {
    return logSoftmax(x, this.axis)
  }
}
