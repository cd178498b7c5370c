"""Makes special.txt: special functions of f32 numbers, to all digits. `python3 special.py > special.txt`, with mpmath 1.3."""
import random

import mpmath as mp
import numpy as np

mp.mp.dps = 40
random.seed(1)
near = lambda x, least, most: x + random.choice((-1, 1)) * 10 ** -random.uniform(least, most)
XS = [10.0**e * random.uniform(1, 9) for e in range(-18, 31, 3)] + [random.uniform(0, 3) for _ in range(60)]
XS += [random.uniform(2, 9) for _ in range(30)] + [random.uniform(8, 200) for _ in range(20)]
XS += [near(x, 1, 6) for x in (1, 2) for _ in range(12)] + [near(1.4616321, 1, 3) for _ in range(6)]
XS += [-random.uniform(0, 30) for _ in range(60)] + [near(-k, 2, 5) for k in range(1, 30)]
CHANCES = [random.uniform(-1, 1) for _ in range(40)] + [1 - 10 ** -random.uniform(1, 7) for _ in range(20)] + [1e-30, -1e-10]
f32 = lambda xs: sorted({float(np.float32(x)) for x in xs})
text = lambda y: mp.nstr(y, 17)

print("# Made by special.py with mpmath", mp.__version__ + "; see there.")
for x in f32(XS):
    y = mp.mpf(x)
    lgamma = mp.loggamma(y) if x > 0 else mp.log(abs(mp.gamma(y)))
    print("gamma", repr(x), text(lgamma), text(mp.digamma(y)), text(mp.polygamma(1, y)))
for x in f32([random.uniform(-4, 9.1) for _ in range(60)] + [random.uniform(-1, 1) for _ in range(20)]):
    print("erfc", repr(x), text(mp.erfc(mp.mpf(x))))
for x in f32(CHANCES):
    print("erfinv", repr(x), text(mp.erfinv(mp.mpf(x))))

for x in f32([random.uniform(-30, 30) for _ in range(60)] + [random.uniform(-9, 9) for _ in range(40)] + [7.9999995, 8.0, 8.000001, 80.0, -1e-8]):
    y = mp.mpf(x)
    print("bessel", repr(x), *(text(mp.besseli(order, y) * scale) for scale in (1, mp.exp(-abs(y))) for order in (0, 1)))
for x in f32([random.uniform(-9, 30) for _ in range(60)] + [random.uniform(-1, 1) for _ in range(20)] + [1e10, 1e-8]):
    y = mp.mpf(x)
    # mpmath's difference of 1 and the error function has no digits where it is large.
    print("erfcx", repr(x), text(mp.exp(y * y) * mp.erfc(y) if x < 1e5 else 1 / (y * mp.sqrt(mp.pi))))
for x in f32([random.uniform(-20, 5) for _ in range(60)] + [random.uniform(-2, 1) for _ in range(20)] + [-1e10, -100, -1, 1e-8]):
    y = mp.mpf(x)
    print("log_ndtr", repr(x), text(mp.log(mp.erfc(-y / mp.sqrt(2)) / 2) if x > -1e5 else -y * y / 2 - mp.log(-y * mp.sqrt(2 * mp.pi))))
