/** Words of PyTorch, NumPy, TensorFlow.js and arrays that tensors answer with the word used here. */

const reads = 'await t.data() for a typed array, await t.toArray() for nested ones'
const inPlace = 'noGrad(() => t.assign_(…)), or work with the new tensor that add(), mul() … return'

/** Methods: what to call instead. */
export const methods: { readonly [word: string]: string } = {
  cpu: `${reads}; devices are 'native' and 'js'`,
  cuda: "to('native'): there is no GPU device",
  numpy: reads,
  tolist: reads,
  array: reads,
  arraySync: 'toArraySync()',
  view: 'reshape([…])',
  view_as: 'reshape(other.shape)',
  dim: 'rank',
  numel: 'size',
  nelement: 'size',
  t: 'transpose()',
  float: "cast('float32')",
  double: "cast('float64')",
  int: "cast('int32')",
  long: "cast('int32')",
  bool: "cast('bool')",
  half: "cast('float32')",
  type: "dtype, or cast('float32')",
  astype: "cast('float32')",
  asType: "cast('float32')",
  mm: 'matmul(b)',
  bmm: 'matmul(b)',
  dot: 'matmul(b)',
  unbind: 'split(1)',
  unstack: 'split(1)',
  chunk: 'split(size)',
  print: 'console.log(t), after await t.data()',
  map: `abs(), add() … for all elements at once; ${reads}`,
  forEach: reads,
  filter: `maskSelect(mask); ${reads}`,
  reduce: `sum(), max() …; ${reads}`,
  fill_: inPlace,
  zero_: inPlace,
  copy_: inPlace,
  add_: inPlace,
  sub_: inPlace,
  mul_: inPlace,
  div_: inPlace,
}

/** Properties: what to read instead. */
export const properties: { readonly [word: string]: string } = {
  length: 'shape[0], or size for all elements',
  ndim: 'rank',
  T: 'transpose(), or permute([…])',
  is_leaf: 'isLeaf',
  requires_grad: 'requiresGrad, or requiresGrad_()',
  0: 'slice(0) for the first row, await t.data() for numbers',
  '-1': 'slice(-1) for the last row, await t.data() for numbers',
}
