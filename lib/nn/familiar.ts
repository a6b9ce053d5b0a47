/** Names that PyTorch users know: methods that say what they are called here, where `undefined` would not be a function. */
import { OptionError } from '../errors.js'

/** Answers calls of methods that a class does not have. Subclasses may have them. */
export function answer(prototype: object, names: Readonly<Record<string, string>>): void {
  for (const [name, use] of Object.entries(names))
    Object.defineProperty(prototype, name, {
      value(this: object) {
        throw new OptionError(this.constructor.name, `there is no ${name}()`, `use ${use}`)
      },
      writable: true,
      configurable: true,
    })
}
