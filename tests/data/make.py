"""Makes `types.npz` beside it, with NumPy 2.4: `python make.py FOLDER`. It is written once and committed."""

import sys

import numpy as np

numbers = np.array([[0, 1, 100], [7, 1, 3]])
arrays = {}
for kind in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]:
    for name, order in {"little": "<", "big": ">"}.items():
        arrays[f"{kind}_{name}"] = numbers.astype(order + kind)
arrays["fortran"] = np.asfortranarray(numbers.astype("f4"))
arrays["scalar"] = np.array(2.5)
arrays["empty"] = np.zeros((0, 3), "i4")
arrays["complex"] = np.array([1j])
arrays["text"] = np.array(["a"])
arrays["record"] = np.zeros(1, dtype=[("x", "f4"), ("y", "i4")])
arrays["object"] = np.array([{}])
np.savez_compressed(f"{sys.argv[1]}/types.npz", **arrays)
