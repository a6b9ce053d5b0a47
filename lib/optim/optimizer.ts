import { leafOf } from '../autograd/graph.js'
import { zeros } from '../creation.js'
import { checkOptions, describe, FormatError, OptionError, StateError } from '../errors.js'
import { answer } from '../familiar.js'
import { replaced } from '../nn/parameter.js'
import { assign_, contiguous } from '../ops/movement.js'
import { probeStack } from '../runtime/stack.js'
import { keep, noGrad, tidy } from '../scope.js'
import type { Tensor } from '../tensor.js'
import { copyOfOptions, type Group, groupsOf, type ParameterList } from './groups.js'
import { type Slots, statesFrom } from './loading.js'
import { type State, Trials } from './trials.js'

/** Any optimizer, whatever its options. */
export type AnyOptimizer = Pick<
  Optimizer<{ learningRate: number }>,
  'learningRate' | 'parameters' | 'zeroGrad' | 'step' | 'stateDict' | 'loadStateDict' | 'dispose'
>

/** What `stateDict()` gives: options of each group, and state by the position of the parameter. */
export interface OptimizerState {
  readonly groups: { readonly options: Record<string, unknown>; readonly parameters: number[] }[]
  readonly state: Record<string, State>
}

/** A parameter and what its update needs: its gradient and itself as rows, its state, its options. */
interface Work<O> {
  readonly p: Tensor
  readonly g: Tensor
  readonly dense: Tensor
  readonly state: State
  readonly options: O
}

/**
 * The base of optimizers: parameter groups, gradients, steps and state. A step is all or nothing: if one gradient could
 * not be computed, no parameter, moment or count changes.
 */
export abstract class Optimizer<O extends { learningRate: number }> {
  readonly groups: readonly Group<O>[]
  private readonly states = new Map<Tensor, State>()
  private readonly trials = new Trials()
  private readonly known: ReadonlySet<string>
  private readonly name: string

  constructor(parameters: ParameterList<O>, options: Partial<O>, defaults: O) {
    this.name = this.constructor.name
    const names = Object.keys(defaults)
    checkOptions(this.name, options, names)
    this.known = new Set(names)
    this.groups = groupsOf(this.name, parameters, { ...defaults, ...options })
    this.checkGroups()
  }

  private checkGroups(): void {
    for (const { options } of this.groups) {
      for (const name in options) if (!this.known.has(name)) checkOptions(this.name, options, [...this.known])
      this.check(options)
    }
  }

  /** Throws for options that make no sense. */
  protected abstract check(options: O): void
  /** The state tensors that have the shape of their parameter, and for which options; for others they are empty. */
  protected abstract readonly slots: Slots<O>
  /** Issues the change of one parameter, which is contiguous. `time` in the state counts its updates. */
  protected abstract update(parameter: Tensor, gradient: Tensor, state: State, options: O): void

  protected checkNumber(name: string, value: number, from: number, below: number = Number.POSITIVE_INFINITY): void {
    if (typeof value === 'number' && value >= from && value < below) return
    const bound = below < Number.POSITIVE_INFINITY ? ` and below ${below}` : ''
    const hint = value === undefined ? `give one: { ${name}: … }` : undefined
    throw new OptionError(this.name, `${name} must be at least ${from}${bound}, got ${describe(value)}`, hint)
  }
  protected checkFlag(name: string, value: boolean): void {
    if (typeof value !== 'boolean')
      throw new OptionError(this.name, `${name} must be true or false, got ${describe(value)}`)
  }

  /** The learning rate of the first group; setting it sets that of all groups. */
  get learningRate(): number {
    return this.groups[0].options.learningRate
  }
  set learningRate(value: number) {
    this.checkNumber('learningRate', value, 0)
    for (const group of this.groups) group.options.learningRate = value
  }

  /** All parameters, group by group. */
  parameters(): Tensor[] {
    return this.groups.flatMap(group => group.parameters)
  }

  /** Forgets all gradients. Call it before each backward, or gradients add up. */
  zeroGrad(): void {
    for (const { parameters } of this.groups) for (const p of parameters) leafOf(p)?.replace(null)
  }

  /**
   * Changes the parameters by their gradients; those without one stay as they are.
   *
   * @throws OptionError if options were changed to what makes no sense; a failure of earlier work that nobody has been
   *   told of yet. Then nothing has changed.
   */
  step(): void {
    this.checkGroups()
    noGrad(() =>
      tidy(() => {
        const work = this.work()
        if (work.length === 0) return
        const { stream } = work[0].p.storage
        const operands: Tensor[] = []
        for (const { p, g, dense, state } of work) {
          operands.push(p, g, dense)
          for (const name in state) operands.push(state[name])
        }
        const step = stream.effects(this.name, operands, () => {
          for (const { p, g, dense, state, options } of work) {
            this.update(dense, g, state, options)
            if (dense !== p) assign_(p, dense)
          }
        })
        if (this.trials.open.length > 0) this.trials.stepped(step, new Set(work.map(({ state }) => state)))
      }),
    )
  }

  /** The parameters that have a gradient, with all that their update needs. */
  private work(): Work<O>[] {
    const ready: { p: Tensor; gradient: Tensor; options: O }[] = []
    for (const { parameters, options } of this.groups)
      for (const p of parameters) {
        const gradient = leafOf(p)?.gradient
        if (gradient) ready.push({ p, gradient, options })
        else if (replaced.has(p)) this.refuseReplaced(p)
      }
    if (ready.length === 0) return []
    const { stream } = ready[0].p.storage
    stream.checkFailures()
    this.trials.settle(stream)
    return ready.map(({ p, gradient, options }) => ({
      p,
      g: contiguous(gradient),
      dense: contiguous(p),
      state: this.stateOf(p, options),
      options,
    }))
  }

  private refuseReplaced(p: Tensor): never {
    throw new StateError(
      this.name,
      `parameter ${this.parameters().indexOf(p)} was replaced by Module.to()`,
      'make the optimizer after moving the module',
    )
  }

  /** The state of a parameter, made or completed where the options ask for more than there is. */
  private stateOf(p: Tensor, options: O): State {
    const state = this.states.get(p) ?? {}
    this.states.set(p, state)
    if (!state['time']) this.begin(state, 'time', zeros([1], { dtype: 'int32', device: p.device }))
    for (const name in this.slots) {
      const size = this.slots[name](options) ? p.size : 0
      if (state[name]?.size === size) continue
      const fresh = zeros(size ? p.shape : [0], { dtype: p.dtype, device: p.device })
      state[name]?.dispose()
      this.begin(state, name, fresh)
    }
    return state
  }
  private begin(state: State, name: string, fresh: Tensor): void {
    state[name] = keep(fresh)
    this.trials.begin(state, name)
  }

  /** Gives up the memory of the state. */
  dispose(): void {
    for (const state of this.states.values()) for (const t of Object.values(state)) t.dispose()
    this.states.clear()
    this.trials.end()
  }

  /** Options and state, for checkpoints. The tensors share their storage with the optimizer. */
  stateDict(): OptimizerState {
    const all = this.parameters()
    return {
      groups: this.groups.map(({ options, parameters }) => ({
        options: copyOfOptions(options),
        parameters: parameters.map(p => all.indexOf(p)),
      })),
      state: Object.fromEntries(
        all.flatMap((p, i) => {
          const saved = this.savedState(p)
          return saved ? [[i, saved]] : []
        }),
      ),
    }
  }

  /** State that could not be made is left out, or empty: it starts anew where it is loaded. */
  private savedState(p: Tensor): State | undefined {
    const stream = this.states.get(p)?.['time']?.storage.stream // the parameter may be gone
    if (stream) this.trials.settle(stream)
    const state = this.states.get(p)
    if (!state?.['time']) return undefined
    const none = (): Tensor => zeros([0], { dtype: p.dtype, device: p.device })
    return Object.fromEntries(['time', ...Object.keys(this.slots)].map(name => [name, state[name]?.detach() ?? none()]))
  }

  /**
   * Goes on from a saved state; parameters that it has no state of start anew. All or nothing. Waits for the values.
   *
   * @throws FormatError if the groups, parameters, names or shapes differ; the error of a value that could not be computed.
   */
  loadStateDict(dict: OptimizerState): void {
    const merged = this.mergedOptions(dict)
    const places = this.groups.flatMap(({ parameters }, i) => parameters.map(p => ({ p, options: merged[i] })))
    const loaded = noGrad(() => tidy(() => statesFrom(this.name, dict.state, places, this.slots)))
    probeStack()
    this.dispose()
    this.groups.forEach((group, i) => Object.assign(group.options, merged[i]))
    for (const [p, state] of loaded) {
      for (const t of Object.values(state)) keep(t)
      this.states.set(p, state)
    }
  }

  private mergedOptions(dict: OptimizerState): O[] {
    const [given, own] = [dict?.groups, this.groups]
    const fits = Array.isArray(given) && given.length === own.length
    if (!fits || given.some((group, i) => group?.parameters?.length !== own[i].parameters.length))
      throw new FormatError(
        this.name,
        `expected the state of groups with ${own.map(group => group.parameters.length).join(', ')} parameters, got ${fits ? given.map(group => group?.parameters?.length).join(', ') : describe(given)}`,
        'it must come from an optimizer of the same parameters in the same groups',
      )
    return given.map(({ options }, i) => {
      checkOptions(this.name, options, Object.keys(own[i].options))
      const merged = copyOfOptions({ ...own[i].options, ...(options as Partial<O>) })
      this.check(merged)
      return merged
    })
  }
}

answer(
  Optimizer.prototype,
  {
    zero_grad: 'zeroGrad()',
    state_dict: 'stateDict()',
    load_state_dict: 'loadStateDict()',
    add_param_group: 'groups when the optimizer is made: [{ parameters, learningRate }, …]',
  },
  {
    lr: 'learningRate',
    param_groups: 'groups: groups[0].options.learningRate',
    paramGroups: 'groups: groups[0].options.learningRate',
  },
)
