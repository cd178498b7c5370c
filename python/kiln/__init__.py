"""Kiln compiles networks to native code, and runs and trains them over NumPy's arrays.

    import kiln, numpy as np

    model = kiln.load("net.onnx")
    predict = kiln.Predictor(model, threads=1)
    scores = predict(np.zeros((1, 3, 224, 224), np.float32))
"""

from ._kiln import Input, Loss, Model, Optimizer, Predictor, Trainer, load

__all__ = ["Input", "Loss", "Model", "Optimizer", "Predictor", "Trainer", "load"]
