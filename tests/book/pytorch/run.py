"""Runs the Python side of every pair with PyTorch and keeps what came out: see common.py."""

import runpy
import sys

import torch

import common



def mark(text):
    """A number that changes with the text (FNV-1a), so that nobody forgets to run a pair that was changed."""
    number = 0xCBF29CE484222325
    for byte in text:
        number = (number ^ byte) * 0x100000001B3 % 2**64
    return f"{number:016x}"


for path in sorted(common.HERE.glob("*.py")):
    if path.stem in ("common", "run"):
        continue
    torch.manual_seed(0)
    torch.set_num_threads(1)
    common.told.clear()
    sys.path.insert(0, str(common.HERE))
    runpy.run_path(str(path))
    version = torch.__version__.split("+")[0]
    lines = [f"PyTorch {version}, {path.name} {mark(path.read_bytes())}", *common.told]
    path.with_suffix(".txt").write_text("\n".join(lines) + "\n")
    print(path.stem, len(common.told), "rows")
