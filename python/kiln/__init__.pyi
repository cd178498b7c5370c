from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Input", "Loss", "Model", "Optimizer", "Predictor", "Trainer", "load"]

Path = str | PathLike[str]
Array = npt.NDArray[Any]
Arrays = Array | Sequence[Array] | Mapping[str, Array]
"""An array for the only input (or target), several in their order, or by their names."""

class Input:
    """What a model takes."""

    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> str | None: ...
    @property
    def shape(self) -> list[int | None] | None: ...

class Model:
    """A network of an ONNX file. It is not changed: what is said of it gives another one."""

    @property
    def inputs(self) -> list[Input]: ...
    @property
    def outputs(self) -> list[str]: ...
    @property
    def parameters(self) -> dict[str, npt.NDArray[np.float32]]:
        """Copies of the parameters, by their names in the file."""
    @property
    def trained(self) -> list[str]:
        """The names of the parameters that a trainer trains."""
    def with_(self, name: str, value: float | Array) -> Model:
        """With the value of an input on which shapes depend."""
    def shape(self, name: str, extents: Sequence[int | None]) -> Model:
        """With the shape of an input; None as the first extent is any number of rows."""
    def with_outputs(self, *names: str) -> Model:
        """Which gives other values, such as the features in front of the last layer."""
    def with_head(self, name: str, *, of: str, outputs: int, seed: int = 0) -> Model:
        """With a new linear layer of the features that a value holds, as its only output."""
    def train_only(self, *names: str) -> Model:
        """Of which a trainer trains only parameters whose names begin so; without any, all."""
    def batch_statistics(self, of_batch: bool = True) -> Model:
        """Whose batch norms do in training what PyTorch's do in train(); by default what they do in eval()."""
    def load_weights(self, path: Path, *, strict: bool = True) -> Model:
        """With other parameters: safetensors, PyTorch's files, .npz, another ONNX file."""
    def save_weights(self, path: Path) -> None:
        """Writes the parameters as safetensors."""
    def export(self, path: Path) -> None:
        """Writes it as an ONNX file."""

def load(path: Path) -> Model:
    """Reads an ONNX file."""

class Predictor:
    """A model that is compiled for predictions, for any number of threads at once."""

    def __init__(
        self,
        model: Model,
        *,
        batch: int = 1,
        threads: int | None = None,
        precision: str = "float32",
        tune: float | None = None,
    ) -> None: ...
    def __call__(self, *args: Array, **kwargs: Array) -> Any:
        """The array of the only output; of several a dict by their names."""
    @property
    def model(self) -> Model: ...
    def summary(self) -> str: ...

class Loss:
    """A loss by PyTorch's name and settings: Loss("CrossEntropyLoss", label_smoothing=0.1)."""

    def __init__(self, name: str, **kwargs: Any) -> None: ...

class Optimizer:
    """An optimizer by PyTorch's name and settings: Optimizer("AdamW", lr=3e-4).

    groups: dicts of settings of their own, each with the beginnings of its parameters' names as "params". Beside them
    clip_grad_norm, clip_grad_value, accumulate, ema, keep_gradients.
    """

    def __init__(self, name: str, *, groups: Sequence[Mapping[str, Any]] | None = None, **kwargs: Any) -> None: ...

class Trainer:
    """A model in training."""

    def __init__(
        self,
        model: Model,
        loss: Loss | Mapping[str, Loss],
        optimizer: Optimizer,
        *,
        batch: int = 64,
        threads: int | None = None,
        seed: int = 0,
        precision: str = "float32",
    ) -> None: ...
    @property
    def learning_rate(self) -> float: ...
    @learning_rate.setter
    def learning_rate(self, rate: float) -> None: ...
    def set_group_learning_rate(self, group: int, rate: float) -> None: ...
    def train_step(self, x: Arrays, y: Arrays) -> float:
        """Trains on a batch; the loss before the update."""
    def evaluate(self, x: Arrays, y: Arrays) -> float:
        """The mean loss of samples, as in evaluation."""
    def predict(self, *args: Array, **kwargs: Array) -> Any: ...
    def use_averaged(self, averaged: bool = True) -> None:
        """Whether predictions, evaluations and the model have the averages of an optimizer with ema, not the parameters."""
    def gradient(self, parameter: str) -> npt.NDArray[np.float32] | None:
        """The gradient of a parameter in the last step, with keep_gradients=True of the optimizer."""
    def model(self) -> Model:
        """The model with its present parameters."""
    def save(self, path: Path) -> None: ...
    def load(self, path: Path) -> None: ...
    def summary(self) -> str: ...
