import { zeros } from '../creation.js'
import { checkOptions, describe, FormatError, OptionError } from '../errors.js'
import { checkStateDict } from '../nn/module.js'
import { assign_ } from '../ops/movement.js'
import { keep, noGrad } from '../scope.js'
import { format, sameShape } from '../shape.js'
import { Tensor } from '../tensor.js'

/** Parameters that share options. */
export type ParameterGroup<O> = { parameters: Iterable<Tensor> } & Partial<O>

interface Group<O> {
  readonly parameters: Tensor[]
  readonly options: O
}

/** Tensors that an optimizer keeps for one parameter, by name. */
export type State = Record<string, Tensor>

/** What `stateDict()` gives: options of each group, and state by the position of the parameter. */
export interface OptimizerState {
  readonly groups: { readonly options: Record<string, unknown>; readonly parameters: number[] }[]
  readonly state: Record<string, State>
}

/**
 * The base of optimizers: parameter groups, gradients, steps and state. A step is all or nothing: if one gradient could
 * not be computed, no parameter, moment or count changes.
 */
export abstract class Optimizer<O extends { learningRate: number }> {
  readonly groups: Group<O>[]
  private readonly states = new Map<Tensor, State>()
  private readonly name: string

  constructor(parameters: Iterable<Tensor> | ParameterGroup<O>[], options: Partial<O>, defaults: O) {
    this.name = this.constructor.name
    checkOptions(this.name, options, Object.keys(defaults))
    const list = [...parameters] as (Tensor | ParameterGroup<O>)[]
    if (list.length === 0)
      throw new OptionError(this.name, 'expected at least one parameter', 'pass model.parameters()')
    const groups = list.every(item => item instanceof Tensor)
      ? [{ parameters: list } as unknown as ParameterGroup<O>]
      : (list as ParameterGroup<O>[])
    this.groups = groups.map(group => this.groupOf(group, { ...defaults, ...options }))
    this.checkDistinct()
    for (const group of this.groups) this.check(group.options)
  }

  private groupOf({ parameters, ...own }: ParameterGroup<O>, shared: O): Group<O> {
    checkOptions(this.name, own, Object.keys(shared))
    const tensors = [...parameters]
    for (const p of tensors)
      if (!(p instanceof Tensor && p.isLeaf))
        throw new OptionError(this.name, `parameters must be leaf tensors, got ${describe(p)}`)
    return { parameters: tensors, options: { ...shared, ...(own as unknown as Partial<O>) } }
  }

  private checkDistinct(): void {
    const all = this.all()
    if (new Set(all).size < all.length)
      throw new OptionError(this.name, 'a parameter appears twice', 'list shared parameters once')
  }

  private all(): Tensor[] {
    return this.groups.flatMap(group => group.parameters)
  }

  /** Throws for options that make no sense. */
  protected abstract check(options: O): void
  /** The state that a parameter starts with. */
  protected abstract initial(parameter: Tensor, options: O): State
  /** Issues the change of one parameter. */
  protected abstract update(parameter: Tensor, gradient: Tensor, state: State, options: O): void

  protected checkNumber(name: string, value: number, from: number, below: number = Number.POSITIVE_INFINITY): void {
    if (typeof value === 'number' && value >= from && value < below) return
    throw new OptionError(
      this.name,
      `${name} must be at least ${from}${below < Number.POSITIVE_INFINITY ? ` and below ${below}` : ''}, got ${describe(value)}`,
    )
  }

  /** The learning rate of the first group; setting it sets that of all groups. */
  get learningRate(): number {
    return this.groups[0].options.learningRate
  }
  set learningRate(value: number) {
    this.checkNumber('learningRate', value, 0)
    for (const group of this.groups) group.options.learningRate = value
  }

  /** Forgets all gradients. Call it before each backward, or gradients add up. */
  zeroGrad(): void {
    for (const p of this.all()) {
      if (!p.requiresGrad) continue
      p.grad?.dispose()
      p.grad = null
    }
  }

  /**
   * Changes the parameters by their gradients; those without one stay as they are.
   *
   * @throws A failure of earlier work that nobody has been told of yet.
   */
  step(): void {
    noGrad(() => {
      const work = this.groups.flatMap(({ parameters, options }) =>
        parameters.flatMap(p => (p.grad ? [{ p, g: p.grad, state: this.stateOf(p, options), options }] : [])),
      )
      if (work.length === 0) return
      const { stream } = work[0].p.storage
      stream.checkFailures()
      const operands = work.flatMap(({ p, g, state }) => [p, g, ...Object.values(state)])
      stream.effects(this.name, operands, () => {
        for (const { p, g, state, options } of work) this.update(p, g.isContiguous ? g : g.contiguous(), state, options)
      })
    })
  }

  private stateOf(p: Tensor, options: O): State {
    let state = this.states.get(p)
    if (!state) {
      state = this.initial(p, options)
      for (const t of Object.values(state)) keep(t)
      this.states.set(p, state)
    }
    return state
  }

  /** Options and state, for checkpoints. The tensors share their storage with the optimizer. */
  stateDict(): OptimizerState {
    const all = this.all()
    return {
      groups: this.groups.map(({ options, parameters }) => ({
        options: { ...options },
        parameters: parameters.map(p => all.indexOf(p)),
      })),
      state: Object.fromEntries(
        all.flatMap((p, i) => {
          const state = this.states.get(p)
          return state ? [[i, Object.fromEntries(Object.entries(state).map(([name, t]) => [name, t.detach()]))]] : []
        }),
      ),
    }
  }

  /**
   * Goes on from a saved state. All or nothing.
   *
   * @throws FormatError if the groups, parameters or shapes differ.
   */
  loadStateDict(dict: OptimizerState): void {
    const all = this.all()
    if (!dict || !Array.isArray(dict.groups) || dict.groups.length !== this.groups.length)
      throw new FormatError(
        this.name,
        `expected the state of ${this.groups.length} parameter groups, got ${describe(dict?.groups)}`,
      )
    const loaded = Object.entries(dict.state ?? {}).map(([index, given]) => {
      const p = all[Number(index)]
      if (!p) throw new FormatError(this.name, `the state names parameter ${index}, but there are ${all.length}`)
      return { p, given: checkStateDict(this.name, given), fresh: this.initial(p, this.groups[0].options) }
    })
    for (const { given, fresh, p } of loaded)
      for (const [name, t] of Object.entries(fresh)) {
        const from = given.get(name)
        if (!from) throw new FormatError(this.name, `the state of a parameter lacks '${name}'`)
        if (!sameShape(from.shape, t.shape) && from.size !== 0 && t.size !== 0)
          throw new FormatError(
            this.name,
            `'${name}' has shape ${format(from.shape)}, expected ${format(t.shape)} for a parameter of shape ${format(p.shape)}`,
          )
      }
    dict.groups.forEach((group, i) => {
      checkOptions(this.name, group.options, Object.keys(this.groups[i].options))
      Object.assign(this.groups[i].options, group.options)
      this.check(this.groups[i].options)
    })
    noGrad(() => {
      for (const { p, given, fresh } of loaded) {
        for (const [name, t] of Object.entries(fresh)) assign_(t, given.get(name)!.detach())
        this.states.set(p, fresh)
      }
    })
  }
}

/** Zeros of the shape of a parameter, or, where they are not wanted, none. */
export function zerosFor(p: Tensor, wanted = true): Tensor {
  return zeros(wanted ? p.shape : [0], { dtype: p.dtype, device: p.device })
}

/** The count of updates of one parameter. */
export function timeFor(p: Tensor): Tensor {
  return zeros([1], { dtype: 'int32', device: p.device })
}
