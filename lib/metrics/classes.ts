/** What metrics of classifiers accept, brought to one form: a class id for each sample. */
import { isFloating } from '../dtype.js'
import { DeviceError, ShapeError } from '../errors.js'
import { greater } from '../ops/compare.js'
import { cast, checkTensor } from '../ops/define.js'
import { argmax } from '../ops/reduce.js'
import { round } from '../ops/unary.js'
import { reshape } from '../ops/view.js'
import { format, sameShape } from '../shape.js'
import type { Tensor } from '../tensor.js'

/** How many classes the last dim tells apart; 1: each element is a sample of its own. */
const columns = (x: Tensor): number => (x.rank > 1 ? x.shape[x.rank - 1] : 1)

/** Scores or a one-hot vector for each sample? Integers are class ids, unless only one-hot vectors fit the others. */
function isWide(x: Tensor, other: Tensor): boolean {
  if (columns(x) < 2) return false
  return (
    x.dtype !== 'int32' ||
    x.size === other.size * columns(x) ||
    (other.dtype !== 'int32' && sameShape(x.shape, other.shape))
  )
}

/** Native stores float64 and computes in float32. */
const computable = (x: Tensor): Tensor => (x.dtype === 'float64' && x.device === 'native' ? cast(x, 'float32') : x)

/**
 * Class ids (int32, [n]) of predictions and targets. Either may be class ids, in targets of any dtype; or scores or
 * one-hot vectors with the classes along the last dim, of which the largest counts. A single column of float predictions
 * holds probabilities of class 1: above ½ counts.
 *
 * @param classes How many there are, where that is known.
 * @throws ShapeError if they do not fit together.
 */
export function classesOf(op: string, predictions: Tensor, targets: Tensor, classes?: number): [Tensor, Tensor] {
  checkTensor(op, predictions, 'predictions')
  checkTensor(op, targets, 'targets')
  if (predictions.device !== targets.device)
    throw new DeviceError(
      op,
      `predictions are on the ${predictions.device} device, targets on ${targets.device}`,
      'copy one of them: targets.to(predictions.device)',
    )
  const bothIntegers = predictions.dtype === 'int32' && targets.dtype === 'int32'
  if (bothIntegers && classes === columns(predictions) && classes === columns(targets) && classes > 1)
    throw new ShapeError(
      op,
      `integers of shapes ${format(predictions.shape)} and ${format(targets.shape)} may be class ids or one-hot vectors`,
      'flatten() class ids; of one-hot vectors take argmax(-1)',
    )
  const wide = isWide(predictions, targets)
  const wideTargets = isWide(targets, predictions)
  const widths = [...(wide ? [columns(predictions)] : []), ...(wideTargets ? [columns(targets)] : [])]
  const known = classes ?? widths[0]
  const single = !wide && isFloating(predictions.dtype)
  if (single && known !== undefined && known > 2)
    throw new ShapeError(
      op,
      `one column of scores ${format(predictions.shape)} cannot tell ${known} classes apart`,
      `give scores [n, ${known}], or class ids: predictions.cast('int32')`,
    )
  const [scores, given] = [computable(predictions), computable(targets)]
  const p = wide ? argmax(scores, -1) : single ? greater(scores, 0.5) : scores
  const t = wideTargets ? argmax(given, -1) : isFloating(given.dtype) ? round(given) : given
  if (p.size !== t.size || widths.some(width => width !== known))
    throw new ShapeError(
      op,
      `predictions ${format(predictions.shape)} and targets ${format(targets.shape)} do not fit${classes === undefined ? '' : ` for ${classes} classes`}`,
      'each is class ids [n], or scores or one-hot vectors [n, classes]; predictions may be probabilities of class 1, [n]',
    )
  return [cast(reshape(p, [-1]), 'int32'), cast(reshape(t, [-1]), 'int32')]
}
