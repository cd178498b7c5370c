"""What the book shows of the package, run as it stands there."""

import os
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]


def test_what_the_book_shows(tmp_path):
    os.chdir(ROOT)
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 1, 8, 8), np.float32), rng.integers(0, 2, 32)
    tuned = tmp_path / "tuned.onnx"
    # ANCHOR: run
    import kiln

    model = kiln.load("examples/data/digits.onnx")
    print(model)  # Model(x float32[?, 1, 8, 8] -> prediction)
    predict = kiln.Predictor(model, threads=1)
    scores = predict(x)  # the array of the only output; of several a dict by their names
    # ANCHOR_END: run
    assert repr(model) == "Model(x float32[?, 1, 8, 8] -> prediction)"
    assert scores.shape == (32, 10)
    # ANCHOR: train
    loss = kiln.Loss("CrossEntropyLoss", label_smoothing=0.1)

    # A new last layer of the features, the old ones frozen.
    model = model.with_head("head", of="relu3", outputs=2).train_only("head")
    trainer = kiln.Trainer(model, loss, kiln.Optimizer("Adam", lr=1e-2), batch=32)
    for _ in range(20):
        last = trainer.train_step(x, y)

    # Then all of them, the old ones slowly.
    slow = {"params": ["conv1", "conv2", "fc1"], "lr": 1e-4}
    optimizer = kiln.Optimizer("AdamW", lr=1e-3, clip_grad_norm=1.0, groups=[slow])
    trainer = kiln.Trainer(trainer.model().train_only(), loss, optimizer, batch=32)
    for _ in range(20):
        last = trainer.train_step(x, y)
    trainer.model().export(tuned)
    # ANCHOR_END: train
    assert last < 0.7
    np.testing.assert_allclose(kiln.Predictor(kiln.load(tuned))(x), trainer.predict(x), rtol=1e-3, atol=1e-4)
