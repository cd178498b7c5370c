"""What the Python sides of the pairs share: inputs that both sides make by the same rule, weights that both sides load, and the
numbers that are compared.

    python run.py            runs every pair, writes NAME.txt and weights/*.pth

The Rust sides (NAME.rs) load the same weights and must come to the same numbers (tests/book/pytorch.rs)."""

import math
from pathlib import Path

import torch

HERE = Path(__file__).parent
told = []


def waves(*shape, phase=0.0):
    """Numbers between -1 and 1: sin(0.7 k + phase) for the k-th element."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(0.7 * k + phase).float().reshape(shape)


def labels(*shape, classes):
    """Classes that take turns, by sevens."""
    k = torch.arange(math.prod(shape))
    return (7 * k % classes).reshape(shape)


def weights(name, module):
    """Keeps what a module begins with, so that the other side begins with the same."""
    torch.save(module.state_dict(), HERE / "weights" / f"{name}.pth")


def tell(name, numbers):
    """Numbers to be compared."""
    numbers = torch.as_tensor(numbers).detach().flatten().tolist()
    told.append(f"{name}: {' '.join(f'{number:.7g}' for number in numbers)}")
