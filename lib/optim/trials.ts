/** State that is made by commands which may fail: it lasts once a step with it has been carried out. */
import type { Stream } from '../runtime/stream.js'
import type { Tensor } from '../tensor.js'

/** Tensors that an optimizer keeps for one parameter, by name. */
export type State = Record<string, Tensor>

interface Trial {
  readonly state: State
  readonly name: string
  /** The steps it has taken part in, of which nothing is known yet. */
  readonly steps: number[]
}

/**
 * New state holds zeros. While every step with it was skipped, it still does, or could not even be allocated: then it is
 * dropped, to be made anew. The first step that was carried out ends the trial.
 */
export class Trials {
  open: Trial[] = []

  begin(state: State, name: string): void {
    this.open.push({ state, name, steps: [] })
  }
  /** A step was issued, with the states given. */
  stepped(step: number, states: ReadonlySet<State>): void {
    for (const { state, steps } of this.open) if (states.has(state)) steps.push(step)
  }
  /** Learns what has become of the steps. */
  settle(stream: Stream): void {
    if (this.open.length > 0) this.open = this.open.filter(trial => this.isOpen(trial, stream))
  }
  private isOpen({ state, name, steps }: Trial, stream: Stream): boolean {
    while (steps.length > 0) {
      const outcome = stream.outcomeOf(steps[0])
      if (outcome !== 'skipped') return outcome === 'pending'
      steps.shift()
    }
    state[name].dispose()
    delete state[name]
    return false
  }
  end(): void {
    this.open = []
  }
}
