"""Prints the polynomial coefficients of native/simd/math.h (development only: pip install mpmath numpy).

Each function is fitted by the Remez exchange on a grid, then the coefficients are rounded to float32 one at a
time, the remaining ones being fitted again after each rounding. `error` is the largest error of the rounded
polynomial relative to the function named, with exact arithmetic; half a unit in the last place is 2^-24.
"""
import mpmath as mp
import numpy as np

mp.mp.dps = 40


def solve(A, b, w):
  """Coefficients c that minimise max |w (A c - b)| over the rows (grid points)."""
  rows, n = A.shape
  if n == 0: return np.zeros(0)
  A, b = A * w[:, None], b * w
  ref = np.round((1 - np.cos(np.pi * np.arange(n + 1) / n)) / 2 * (rows - 1)).astype(int)
  best = np.inf, None
  for _ in range(60):
    signs = (-1.0) ** np.arange(n + 1)
    scale = np.abs(A[ref]).max(axis=0)
    c = np.linalg.lstsq(np.c_[A[ref] / scale, signs], b[ref], rcond=None)[0][:n] / scale
    e = A @ c - b
    best = min(best, (np.abs(e).max(), tuple(c)))
    runs = np.split(np.arange(rows), np.flatnonzero(np.diff(np.sign(e))) + 1)  # stretches of one sign
    peaks = [r[np.argmax(np.abs(e[r]))] for r in runs]
    while len(peaks) > n + 1:  # drop the least; an inner one takes its lesser neighbour along, so signs alternate
      i = int(np.argmin(np.abs(e[peaks])))
      if 0 < i < len(peaks) - 1 and len(peaks) > n + 2:
        peaks.pop(i)
        peaks.pop(i if abs(e[peaks[i]]) < abs(e[peaks[i - 1]]) else i - 1)
      else:
        peaks.pop(0 if abs(e[peaks[0]]) < abs(e[peaks[-1]]) else -1)
    if len(peaks) < n + 1 or list(peaks) == list(ref): break
    ref = np.array(peaks)
  return np.array(best[1])


def rounded(A, b, w):
  """As solve, with float32 coefficients: round one, move it to the right side, fit the others again."""
  c = []
  for j in range(A.shape[1]):
    nearest = np.float32(solve(A[:, j:], b, w)[0])
    trials = []
    for v in {float(np.nextafter(nearest, np.float32(s))) for s in (-np.inf, nearest, np.inf)}:
      rest = b - A[:, j] * v
      trials.append((np.abs(w * (rest - A[:, j + 1:] @ solve(A[:, j + 1:], rest, w))).max(), v))
    c.append(min(trials)[1])
    b = b - A[:, j] * c[-1]
  return c, np.abs(w * b).max()


def grid(lo, hi, n=3000):
  """Chebyshev points of [lo, hi], moved off zero."""
  return [mp.mpf(lo) + (mp.mpf(hi) - lo) * (1 - mp.cos(mp.pi * (i + mp.mpf('0.37')) / n)) / 2 for i in range(n)]


def column(f, xs): return np.array([float(f(x)) for x in xs])


def report(name, lo, hi, c, error):
  print(f'{name}: [{float(lo):.6g}, {float(hi):.6g}], degree {len(c) - 1}, error 2^{np.log2(error):.1f}')
  for v in c: print(f'    {np.float32(v)!s:>18}f  {float(v).hex()}')


def polynomial(name, f, weight, lo, hi, degree):
  """f(x) ~ sum c_i x^i, lowest power first; weight turns its absolute error into the error wanted."""
  xs = grid(lo, hi)
  x = column(lambda v: v, xs)
  A = np.vander(x, degree + 1, increasing=True)
  report(name, lo, hi, *rounded(A, column(f, xs), column(weight, xs)))


def split(name, value, bits):
  """value as a sum of floats of the given numbers of bits, each truncated so that all parts are positive."""
  print(name)
  for b in bits:
    e = mp.floor(mp.log(value, 2))
    part = (mp.floor if b < 24 else mp.nint)(value * mp.mpf(2) ** (b - 1 - e)) / mp.mpf(2) ** (b - 1 - e)
    print(f'    {np.float32(float(part))!s:>18}f  {float(part).hex()}')
    value -= part


def upper(t): return mp.erfc(t / mp.sqrt(2)) / 2 * mp.exp(t * t / 2)


half_ln2 = mp.log(2) / 2 * mp.mpf('1.001')
quarter = mp.pi / 4 + mp.mpf('0.002')  # the quadrant is rounded in float, so r can pass pi / 4 a little
root = mp.sqrt(2)

split('ln 2', mp.log(2), [9, 24])
split('pi / 2', mp.pi / 2, [12, 12, 12, 24])
split('log2(45 / 32)', mp.log(mp.mpf(45) / 32, 2), [12, 24])
split('2 / ln 2', 2 / mp.log(2), [12, 24])
mp.mp.dps = 90
print('2 / pi, 32 bits a word after the point:')
print('   ', [hex(int(mp.floor(mp.ldexp(2 / mp.pi, 32 * (i + 1)))) & 0xffffffff) for i in range(8)])
mp.mp.dps = 40
polynomial('exp: (e^r - 1 - r) / r^2', lambda r: (mp.expm1(r) - r) / r**2,
           lambda r: r**2 / mp.exp(r), -half_ln2, half_ln2, 4)
polynomial('expm1: (e^r - 1 - r) / r^2', lambda r: (mp.expm1(r) - r) / r**2,
           lambda r: r**2 / abs(mp.expm1(r)), -half_ln2, half_ln2, 5)
polynomial('log: (log(1 + f) - f + f^2 / 2) / f^3', lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
           lambda f: abs(f**3 / mp.log1p(f)), 1 / root - 1, root - 1, 7)
polynomial('sin: (sin r - r) / r^3 in z = r^2', lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
           lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)), 0, quarter**2, 2)
polynomial('cos: (cos r - 1 + r^2 / 2) / r^4 in z = r^2', lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
           lambda z: z**2 / mp.cos(mp.sqrt(z)), 0, quarter**2, 2)
polynomial('tanh: (tanh(x) / x - 1) / z in z = x^2', lambda z: (mp.tanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
           lambda z: z * mp.sqrt(z) / mp.tanh(mp.sqrt(z)), 0, mp.mpf('0.625')**2, 4)
polynomial('erf: erf(x) / x - 1 in z = x^2', lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
           lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)), 0, mp.mpf('0.875')**2, 5)
polynomial('erf: log(erfc(x))', lambda x: mp.log(mp.erfc(x)),
           lambda x: mp.erfc(x) / mp.erf(x), mp.mpf('0.875'), 4, 6)
polynomial('pow: (2 / ln 2) (atanh(s) / s - 1) / z in z = s^2',
           lambda z: 2 / mp.log(2) * (mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
           lambda z: z * mp.log(2) / 2, 0, mp.mpf('0.0893')**2, 2)
polynomial('normalCdf: Phi(-t) e^(t^2 / 2) / u in u = 1 / (1 + t / 4)', lambda u: upper(4 * (1 / u - 1)) / u,
           lambda u: u / upper(4 * (1 / u - 1)), 1 / (1 + mp.mpf('14.4') / 4), 1, 9)
