"""Makes the files beside it, with PyTorch 2.15 and NumPy 2.4: `python make.py FOLDER`. They are written once and committed."""

import sys
from collections import OrderedDict

import numpy as np
import torch

torch.serialization.set_crc32_options(True)
folder = sys.argv[1]


def count(*shape):
    """0, 1, 2, .. in row-major order, in halves."""
    return torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape) / 2


# A training's checkpoint: views that are strided, transposed, shared, expanded; a parameter; what is no tensor.
shared = count(40)
state = OrderedDict()
state["a"] = count(3, 2).t()
state["b"] = shared[5:11].view(2, 3)
state["c"] = shared[:12].view(2, 3, 2)[:, :, 1]
state["d"] = torch.tensor([[7.0], [8.0]]).expand(2, 3)
state["e"] = torch.nn.Parameter(shared[10:34:4].view(2, 3))
state["f"] = torch.nn.Buffer(count(2, 3))
optimizer = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": count(2, 3)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]}
checkpoint = {"model": state, "optimizer": optimizer, "epoch": 3, "name": "net", "best": None, "size": torch.Size([2, 3])}
checkpoint.update(device=torch.device("cpu"), dtype=torch.float16, tags={"a", "b"}, large=1 << 80, data=b"\x00\x01")
torch.save(checkpoint, f"{folder}/checkpoint.pt")
torch.save(checkpoint, f"{folder}/legacy.pt", _use_new_zipfile_serialization=False)
torch.save(checkpoint, f"{folder}/protocol5.pt", pickle_protocol=5)
torch.save(checkpoint, f"{folder}/legacy5.pt", pickle_protocol=5, _use_new_zipfile_serialization=False)

# One tensor of each type.
types = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int8, torch.int16, torch.int32, torch.int64]
types += [torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool, torch.complex64, torch.float8_e4m3fn]
numbers = torch.tensor([[1.0, 0.0, 1.0]])
of_types = {str(dtype).split(".")[1]: {"weight": numbers.to(dtype)} for dtype in types}
torch.save(of_types, f"{folder}/types.pt")
torch.save(of_types, f"{folder}/types_legacy.pt", _use_new_zipfile_serialization=False)

# What is refused: a pickled module, a function of Python's.
torch.save(torch.nn.Linear(3, 1, bias=False), f"{folder}/module.pt")
torch.save({"weight": numbers, "rng": np.float64(1.0)}, f"{folder}/numpy.pt")

# No sums of check.
torch.serialization.set_crc32_options(False)
torch.save({"weight": numbers}, f"{folder}/unchecked.pt")

np.savez(f"{folder}/arrays.npz", **{"weight": np.asfortranarray(numbers.numpy())})
np.savez_compressed(f"{folder}/compressed.npz", weight=numbers.numpy().astype(">f8"))
